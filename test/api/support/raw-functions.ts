// Functions as the addon has them, without the facade's own host of functions.
import { type Bridge, getBridge } from '../../../dist/esm/bridge.js'
import type { FunctionHost, NativeTensors } from '../../../dist/esm/function-binding.js'
import { serverHost } from '../../../dist/esm/function-models/server-host.js'
import { type Model, type ModelConfig, type Server, Tensor } from './trident.js'

export type RawRequest = NativeTensors
export type RawFunction = (execution: number, requests: RawRequest[], instance: number) => void

/** Runs functions by the names of their models, in this environment. */
export class RawHost implements FunctionHost {
  readonly bridge: Bridge = getBridge()
  readonly native = this.bridge.native
  readonly functions = new Map<string, RawFunction>()
  /** What has been told, in order. */
  readonly told: (string | number)[][] = []
  readonly instances = new Map<number, string>()
  onTold: () => void = () => {}

  constructor() {
    serverHost(this.bridge) // once it is there no server brings it back
    this.bridge.functionHost = this
  }

  initializeInstance(_server: number, instance: number, { model }: { model: string }): void {
    this.instances.set(instance, model)
    if (this.functions.has(model)) this.native.instanceReady(instance)
    else this.tell('initialize', instance)
  }

  finalizeInstance(instance: number): void {
    this.native.instanceFinalized(instance)
  }

  execute(instance: number, execution: number, requests: readonly (RawRequest | null)[]): void {
    const model = this.instances.get(instance)!
    this.functions.get(model)!(execution, requests as RawRequest[], instance)
  }

  cancelled(execution: number, request: number): void {
    this.tell('cancelled', execution, request)
  }

  drained(execution: number, request: number): void {
    this.tell('drained', execution, request)
  }

  instanceLost(_server: number, instance: number, reason: string): void {
    this.tell('lost', instance, reason)
  }

  /** Resolves when something has been told whose first word is `word`. */
  async until(word: string): Promise<(string | number)[]> {
    while (true) {
      const at = this.told.findIndex((event) => event[0] === word)
      if (at >= 0) return this.told.splice(at, 1)[0]!
      await new Promise<void>((resolve) => {
        this.onTold = resolve
      })
    }
  }

  private tell(...event: (string | number)[]): void {
    this.told.push(event)
    this.onTold()
  }
}

/** A model of this name whose function the host has; INPUT0 and OUTPUT0 are FP32 [-1]. */
export function loadFunction(server: Server, name: string, config: ModelConfig = {}) {
  return server.loadModel({
    name,
    config: {
      backend: 'javascript',
      input: [{ name: 'INPUT0', dataType: 'TYPE_FP32', dims: [-1] }],
      output: [{ name: 'OUTPUT0', dataType: 'TYPE_FP32', dims: [-1] }],
      instanceGroup: [{ kind: 'KIND_CPU', count: 1 }],
      ...config,
    },
    files: { '1/unused': new Uint8Array(0) },
  })
}

/** The bytes of the first input. */
export const bytesOf = (request: RawRequest): ArrayBuffer => request[3] as ArrayBuffer

/** OUTPUT0, as INPUT0 is. */
export const echoOf = (request: RawRequest): NativeTensors => [
  'OUTPUT0',
  request[1]!,
  request[2]!,
  request[3]!,
]

/** INPUT0, of one dimension or of the shape given. */
export const floats = (values: readonly number[], shape = [values.length]) => ({
  INPUT0: new Tensor('FP32', Float32Array.from(values), shape),
})

export async function echoed(model: Model, ...values: number[]): Promise<number[]> {
  const { OUTPUT0 } = await model.infer(floats(values))
  return [...(OUTPUT0!.data as Float32Array)]
}
