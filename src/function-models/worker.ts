// The program of a module's thread: imports the module, makes its instance ready and executes what
// comes for it.
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import { getBridge } from '../bridge.js'
import { errorCodes } from '../errors.js'
import { attachedServer } from './attached-server.js'
import { callerOf } from './caller.js'
import { nativeFailure } from './failures.js'
import { type ThreadMessage, type ThreadTask, uncaught } from './instance-thread.js'
import { LocalHost } from './local-host.js'
import { importCallable } from './module.js'

const { nativeBinding, instance, description } = workerData as ThreadTask
const port = parentPort!
const bridge = getBridge(nativeBinding)
const server = attachedServer(bridge, instance)

function tell(message: ThreadMessage): void {
  port.postMessage(message)
}

class ThreadHost extends LocalHost {
  override async begin(): Promise<void> {
    const callable = await importCallable(description, (path) => import(pathToFileURL(path).href))
    await this.instances.begin(instance, description, callable, callerOf(server))
  }

  override finalizeInstance(): void {
    void this.instances.finalize(instance).then(() => tell(['finalized']))
  }
}

process.on('uncaughtExceptionMonitor', (error) => {
  bridge.whyItEnds = uncaught(error)
  setImmediate(() => {
    bridge.whyItEnds = '' // the module has caught it
  })
})

const host = new ThreadHost(bridge)
bridge.functionHost = host
host.begin().then(
  () => {
    port.on('message', () => {}) // nothing comes, but who listens stays
    tell(['ready'])
  },
  (error: unknown) => {
    const [code, message] = nativeFailure(error, description.model)
    tell(['failed', errorCodes[code]!, message])
  },
)
