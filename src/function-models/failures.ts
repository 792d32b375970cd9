// What a function threw, as the answer to its requests. The stack goes with the message: it reaches
// callers in C, in other threads and behind ensembles, and the facade makes it the error's cause.
import { inspect, types } from 'node:util'
import { type ErrorCode, errorCodes, Failure, stackBegin } from '../errors.js'
import type { Description } from './description.js'

export type NativeFailure = [code: number, message: string]

/** @param model whose function it was */
export function nativeFailure(reason: unknown, model: string): NativeFailure {
  const [code, message] = describe(reason, model)
  return [errorCodes.indexOf(code), message.replaceAll('\0', '\\0')] // text of C ends at a NUL
}

function describe(reason: unknown, model: string): [ErrorCode, string] {
  if (reason instanceof Failure) return [reason.code, reason.message]
  try {
    if (!isError(reason)) return ['INTERNAL', `model '${model}' threw ${inspect(reason)}`]
    const code = codeOf(reason)
    if (code) return [code, `${reason.message}${framesOf(reason)}`]
    return ['INTERNAL', `model '${model}': ${reason.name}: ${reason.message}${framesOf(reason)}`]
  } catch {
    return ['INTERNAL', `model '${model}' threw what can't be read`]
  }
}

/** Errors of other contexts are no instances of this one's Error. */
function isError(reason: unknown): reason is Error {
  return reason instanceof Error || types.isNativeError(reason)
}

/** Of a TridentError, of this copy of the package or another. */
function codeOf(error: Error & { code?: unknown }): ErrorCode | undefined {
  if (error.name !== 'TridentError') return undefined
  return errorCodes.find((code) => code === error.code)
}

function framesOf({ stack, cause }: Error): string {
  const at = String(stack).indexOf(stackBegin)
  const frames = at < 0 ? '' : String(stack).slice(at)
  return isError(cause) ? `${frames}\n  caused by: ${cause.stack}` : frames
}

/** Why an execution is given up by the limit of its model. */
export function tookTooLong({ model, timeoutMs }: Description): Failure {
  return new Failure(
    'UNAVAILABLE',
    `model '${model}': an execution did not end within execution_timeout_microseconds ` +
      `(${timeoutMs * 1000})`,
  )
}
