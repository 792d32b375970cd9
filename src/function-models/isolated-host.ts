// The program of an isolated instance of a module: the function runs on this thread, while another
// one does what the process of the server says. The addon's path is its argument.
import { getBridge } from '../bridge.js'
import { Failure } from '../errors.js'
import type { InstanceDescription } from '../function-binding.js'
import type { Caller } from './context.js'
import { LocalHost } from './local-host.js'
import { importCallable } from './module.js'
import { importAnew } from './module-main.js'

class IsolatedHost extends LocalHost {
  protected override async begin(
    _server: number,
    instance: number,
    told: InstanceDescription,
  ): Promise<void> {
    const callable = await importCallable(told, importAnew)
    const caller: Caller = () => {
      throw new Failure(
        'UNSUPPORTED',
        `model '${told.model}': an isolated function reaches no other models`,
      )
    }
    await this.instances.begin(instance, told, callable, caller)
  }
}

const bridge = getBridge(process.argv[2])
bridge.functionHost = new IsolatedHost(bridge)
bridge
  .run((task) => bridge.native.runIsolated(task))
  .then(
    () => process.exit(0),
    () => process.exit(1),
  )
