// The server of an instance that runs in another environment than its server.
import type { Bridge } from '../bridge.js'
import { Server } from '../server.js'
import { ServerState } from '../server-state.js'
import { Tracing } from '../tracing.js'

/** For requests to its models. It ends with the environment that has started it. */
export function attachedServer(bridge: Bridge, instance: number): Server {
  const state = new ServerState(bridge, 0, false, null, new Tracing(bridge, {}))
  state.id = bridge.native.attachServer(instance)
  bridge.observers.set(state.id, { modelEvent: (event) => state.modelChanged(event) })
  return new Server(state)
}
