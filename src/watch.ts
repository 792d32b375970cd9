// What ends a request before its answer: a signal, a timeout.
import { addAbortHandler, removeAbortHandler } from './abort.js'
import { Failure } from './errors.js'
import type { Timeout } from './options.js'
import type { Parent } from './parent.js'
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

export const givenUpFailure = new Failure(
  'CANCELLED',
  'the request that this one was made for has been given up',
)

/**
 * Abandons the request when its signal or timeout says so, or nobody waits for what it was made
 * for. Returns what stops the watch.
 */
export function watch(
  slot: Slot,
  signal: AbortSignal | undefined,
  timeout: Timeout | null,
  model: string,
  parent: Parent | null,
): () => void {
  const onGivenUp = (): void => slot.abandon(givenUpFailure)
  parent?.whenGivenUp(onGivenUp)
  const onAbort = (): void => slot.abandon(cancelled(signal!))
  if (signal !== undefined) addAbortHandler(signal, onAbort)
  const timer =
    timeout === null
      ? undefined
      : setTimeout(() => slot.abandon(timedOutFailure(model, timeout)), timeout.milliseconds)
  return () => {
    clearTimeout(timer)
    parent?.forget(onGivenUp)
    if (signal !== undefined) removeAbortHandler(signal, onAbort)
  }
}
