// A request that a function is to answer.

import type { NativeParameter } from '../binding.js'
import { datatypeFromId } from '../datatypes.js'
import { Failure, TridentError, toError } from '../errors.js'
import { noteExecutionView } from '../execution-views.js'
import type { NativeFunctions, NativeRequestInfo, NativeTensors } from '../function-binding.js'
import type { Parent } from '../parent.js'
import { decodeBytes, elementCount, Tensor, trusted } from '../tensor.js'
import type { FunctionInputs, ModelRequest } from './types.js'

/** What requests to other models are made for, until nobody waits for it any more. */
export class Undertaking implements Parent {
  readonly execution: number
  readonly request: number
  #stops: Set<() => void> | null = null
  #controller: AbortController | null = null
  #reason: Failure | null = null

  constructor(execution: number, request: number) {
    this.execution = execution
    this.request = request
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#reason !== null) this.#controller.abort(toError(this.#reason))
    }
    return this.#controller.signal
  }

  get givenUp(): boolean {
    return this.#reason !== null
  }

  whenGivenUp(stop: () => void): void {
    this.#stops = (this.#stops ?? new Set()).add(stop)
  }

  forget(stop: () => void): void {
    this.#stops?.delete(stop)
  }

  giveUp(reason: Failure): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#controller?.abort(toError(reason))
    for (const stop of this.#stops ?? []) stop()
  }
}

const startFlag = 1
const endFlag = 2

export class GivenRequest extends Undertaking implements ModelRequest {
  inputs: FunctionInputs
  readonly batchSize: number
  /** It has its last response. */
  answered = false
  readonly #native: NativeFunctions
  #info: NativeRequestInfo | null = null

  constructor(
    native: NativeFunctions,
    execution: number,
    request: number,
    tensors: NativeTensors,
    batches: boolean,
  ) {
    super(execution, request)
    this.#native = native
    this.inputs = readInputs(tensors)
    this.batchSize = batches ? ((tensors[2] as readonly number[] | undefined)?.[0] ?? 1) : 1
  }

  get id(): string {
    return this.#said[0]
  }

  get correlationId(): bigint | string {
    return this.#said[1]
  }

  get timeout(): number {
    return this.#said[3] / 1000
  }

  get requestedOutputs(): readonly string[] {
    return this.#said[4]
  }

  get parameters(): Readonly<Record<string, NativeParameter>> {
    const list = this.#said[5]
    const parameters: Record<string, NativeParameter> = {}
    for (let i = 0; i < list.length; i += 2) parameters[list[i] as string] = list[i + 1]!
    return parameters
  }

  get sequence(): ModelRequest['sequence'] {
    const [, correlation, flags] = this.#said
    if (correlation === 0n || correlation === '') return null
    return { start: (flags & startFlag) !== 0, end: (flags & endFlag) !== 0 }
  }

  override get signal(): AbortSignal {
    if (this.#info === null && !this.answered && this.#said[6]) this.giveUp(cancelled)
    return super.signal
  }

  get #said(): NativeRequestInfo {
    this.#info ??= this.answered ? null : this.#native.requestInfo(this.execution, this.request)
    if (this.#info !== null) return this.#info
    throw new TridentError('UNAVAILABLE', 'the request has ended: nothing is known of it any more')
  }
}

export const cancelled = new Failure('CANCELLED', 'the request was cancelled')

function readInputs(tensors: NativeTensors): FunctionInputs {
  const inputs: Record<string, Tensor> = {}
  for (let i = 0; i < tensors.length; i += 4) {
    const shape = tensors[i + 2] as readonly number[]
    const buffer = tensors[i + 3] as ArrayBuffer
    noteExecutionView(buffer)
    const { name: datatype, array } = datatypeFromId(tensors[i + 1] as number)
    const data =
      array === null ? decodeBytes(new Uint8Array(buffer), elementCount(shape)) : new array(buffer)
    inputs[tensors[i] as string] = new Tensor(datatype, data as never, shape, trusted)
  }
  return inputs
}
