// Functions without a server: an instance whose executions are given and whose answers are read here.
import { datatypeFromId, datatypeInfo } from '../../../dist/esm/datatypes.js'
import type { NativeFunctionResult, NativeTensors } from '../../../dist/esm/function-binding.js'
import { readCallable } from '../../../dist/esm/function-models/callable.js'
import { nativeFailure } from '../../../dist/esm/function-models/failures.js'
import { Instances } from '../../../dist/esm/function-models/instances.js'
import { decodeBytes, elementCount, encodeBytes } from '../../../dist/esm/tensor.js'
import { type Datatype, errorCodes, Tensor } from './trident.js'

/** What a request has been answered with, in order. */
export type Answer = Record<string, Tensor> | { code: string; message: string } | 'end'

export interface BenchOptions {
  maxBatchSize?: number
  inputs?: Record<string, [datatype: Datatype, ...dims: number[]]>
  outputs?: Record<string, [datatype: Datatype, ...dims: number[]]>
  decoupled?: boolean
  /** More of the configuration, in the form of the core. */
  config?: Record<string, unknown>
  requested?: string[]
}

export class FunctionBench {
  /** By execution and request. */
  readonly answers: Answer[][][] = []
  readonly ended = new Set<number>()
  /** Why the instance is not ready. */
  failure: string | null = null
  finalized = false
  /** What `respond` answers: for how long the next response has to wait at most; -1: no more. */
  patience = 0
  standsStill = false
  readonly #instances: Instances
  readonly #options: BenchOptions

  constructor(options: BenchOptions) {
    this.#options = options
    this.#instances = new Instances(this.#native() as never, () => this.standsStill)
  }

  async load(callable: unknown): Promise<this> {
    const { maxBatchSize = 0, inputs = {}, outputs = {}, decoupled, config } = this.#options
    const tensors = (of: BenchOptions['inputs'] & object) =>
      Object.entries(of).map(([name, [datatype, ...dims]]) => ({
        name,
        data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
        dims,
      }))
    const told = {
      model: 'f',
      version: 1,
      directory: '',
      function: '1',
      instanceName: 'f_0_0',
      execution: 'main',
      config: {
        max_batch_size: maxBatchSize,
        input: tensors(inputs),
        output: tensors(outputs),
        model_transaction_policy: { decoupled: decoupled ?? false },
        ...config,
      },
    }
    const caller = () => {
      throw new Error('there are no other models')
    }
    try {
      await this.#instances.begin(1, told, readCallable(callable, 'it'), caller)
    } catch (reason) {
      const [code, message] = nativeFailure(reason, told.model)
      this.failure = `${errorCodes[code]}: ${message}`
    }
    return this
  }

  /** Begins an execution of these requests, null: answered already; returns its number. */
  execute(...requests: (Record<string, Tensor> | null)[]): number {
    return this.executeNative(requests.map((inputs) => inputs && nativeTensors(inputs)))
  }

  /** As the addon has it done. */
  executeNative(requests: (NativeTensors | null)[]): number {
    const number = this.answers.length
    this.answers.push(requests.map(() => []))
    this.#instances.execute(1, number, requests)
    return number
  }

  /** The answers to an execution, by request, when it has ended. */
  async answersTo(execution: number): Promise<Answer[][]> {
    while (!this.ended.has(execution)) await new Promise((resolve) => setImmediate(resolve))
    return this.answers[execution]!
  }

  cancel(execution: number, request = 0): void {
    this.#instances.cancelled(execution, request)
  }

  drained(execution: number, request = 0): void {
    this.#instances.drained(execution, request)
  }

  finalize(): Promise<void> {
    return this.#instances.finalize(1)
  }

  /** What is called of the addon. */
  #native() {
    const add = (execution: number, request: number, answer: Answer) => {
      if (!this.ended.has(execution)) this.answers[execution]![request]!.push(answer)
    }
    const fail = (execution: number, request: number, code: number, message: string) =>
      add(execution, request, { code: errorCodes[code]!, message })
    return {
      instanceReady: () => {},
      instanceFinalized: () => {
        this.finalized = true
      },
      requestInfo: () => ['id', 0n, 0, 0, this.#requested, ['key', 'value'], false],
      respond: (execution: number, request: number, outputs: NativeTensors) => {
        add(execution, request, tensorsOf(outputs))
        return this.patience
      },
      endRequest: (execution: number, request: number) => add(execution, request, 'end'),
      respondError: fail,
      endExecution: (execution: number) => this.ended.add(execution),
      finishExecution: (execution: number, results: NativeFunctionResult[]) => {
        results.forEach((result, request) => {
          if (typeof result[0] !== 'number') add(execution, request, tensorsOf(result))
          else fail(execution, request, result[0], result[1] as string)
        })
        this.ended.add(execution)
      },
    }
  }

  get #requested(): string[] {
    return this.#options.requested ?? Object.keys(this.#options.outputs ?? {})
  }
}

function nativeTensors(inputs: Record<string, Tensor>): NativeTensors {
  return Object.entries(inputs).flatMap(([name, { datatype, shape, data }]) => [
    name,
    datatypeInfo(datatype).id,
    shape,
    datatype === 'BYTES'
      ? (encodeBytes(data as string[], name).buffer as ArrayBuffer)
      : ((data as Float32Array).slice().buffer as ArrayBuffer),
  ])
}

function tensorsOf(list: NativeTensors): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {}
  for (let i = 0; i < list.length; i += 4) {
    const shape = list[i + 2] as number[]
    const { name } = datatypeFromId(list[i + 1] as number)
    const data = list[i + 3] as Uint8Array
    const elements = name === 'BYTES' ? decodeBytes(data, elementCount(shape)) : data
    tensors[list[i] as string] = new Tensor(name, elements as never, shape)
  }
  return tensors
}
