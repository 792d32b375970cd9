// Models of a server, for functions that run on it.
import { TridentError } from '../errors.js'
import type { Server } from '../server.js'
import type { Caller } from './context.js'

/** Does not keep the server: one that nobody holds any more is closed. */
export function callerOf(server: Server): Caller {
  const reference = new WeakRef(server)
  return (name, parent) => {
    const owner = reference.deref()
    if (owner) return owner.modelFor(parent, name)
    throw new TridentError('UNAVAILABLE', 'the server is closed')
  }
}
