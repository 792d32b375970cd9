// What ends a request before its answer: a signal, a timeout.
import { addAbortHandler, removeAbortHandler } from './abort.js'
import { Failure } from './errors.js'
import type { Timeout } from './options.js'
import type { Slot } from './slot.js'

export function neverTimesOut(): Failure {
  return new Failure('INTERNAL', 'a request without a timeout timed out')
}

export function cancelled(signal: AbortSignal): Failure {
  return new Failure('CANCELLED', 'the request was aborted', signal.reason)
}

export function timedOutFailure(model: string, timeout: Timeout | null): Failure {
  return new Failure(
    'UNAVAILABLE',
    `timeout: the request to model '${model}' did not end within ${timeout?.milliseconds} ms`,
  )
}

/** Abandons the request when its signal or timeout says so. Returns what stops the watch. */
export function watch(
  slot: Slot,
  signal: AbortSignal | undefined,
  timeout: Timeout | null,
  model: string,
): () => void {
  const onAbort = (): void => slot.abandon(cancelled(signal!))
  if (signal !== undefined) addAbortHandler(signal, onAbort)
  const timer =
    timeout === null
      ? undefined
      : setTimeout(() => slot.abandon(timedOutFailure(model, timeout)), timeout.milliseconds)
  return () => {
    clearTimeout(timer)
    if (signal !== undefined) removeAbortHandler(signal, onAbort)
  }
}
