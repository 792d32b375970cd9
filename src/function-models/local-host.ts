// A host of functions whose instances run in its own environment.
import type { Bridge } from '../bridge.js'
import type { FunctionHost, InstanceDescription, NativeTensors } from '../function-binding.js'
import { nativeFailure } from './failures.js'
import { Instances } from './instances.js'

export abstract class LocalHost implements FunctionHost {
  protected readonly bridge: Bridge
  protected readonly instances: Instances

  constructor(bridge: Bridge) {
    this.bridge = bridge
    this.instances = new Instances(bridge.native, () => bridge.standsStill)
  }

  /** Has the instance made ready, here or elsewhere. What it throws fails the load. */
  protected abstract begin(
    server: number,
    instance: number,
    told: InstanceDescription,
  ): Promise<void>

  initializeInstance(server: number, instance: number, told: InstanceDescription): void {
    this.begin(server, instance, told).catch((reason) => {
      this.bridge.native.instanceFailed(instance, ...nativeFailure(reason, told.model))
    })
  }

  finalizeInstance(instance: number): void {
    void this.instances.finalize(instance)
  }

  execute(instance: number, execution: number, requests: readonly (NativeTensors | null)[]): void {
    this.instances.execute(instance, execution, requests)
  }

  cancelled(execution: number, request: number): void {
    this.instances.cancelled(execution, request)
  }

  drained(execution: number, request: number): void {
    this.instances.drained(execution, request)
  }

  /** What runs here is lost with this environment only. */
  instanceLost(): void {}
}
