// Abort signals that requests share.
import { typeName } from './datatypes.js'
import type { InferOptions } from './options.js'

/** One listener per signal, however many requests wait on it: Node warns of more than ten. */
interface Watch {
  readonly handlers: Set<() => void>
  readonly listener: () => void
}

const watches = new WeakMap<AbortSignal, Watch>()

/** Signals of other realms are no instances of this one's AbortSignal: what counts is what is used. */
export function readSignal({ signal }: InferOptions): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (
    typeof signal !== 'object' ||
    signal === null ||
    typeof signal.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function' ||
    typeof signal.removeEventListener !== 'function'
  ) {
    throw new TypeError(`signal is an AbortSignal, got ${typeName(signal)}`)
  }
  return signal
}

/** Calls `handler` once when `signal` is aborted, unless removed before. */
export function addAbortHandler(signal: AbortSignal, handler: () => void): void {
  let watch = watches.get(signal)
  if (watch === undefined) {
    const handlers = new Set<() => void>()
    const listener = (): void => {
      for (const call of handlers) call()
    }
    signal.addEventListener('abort', listener, { once: true })
    watch = { handlers, listener }
    watches.set(signal, watch)
  }
  watch.handlers.add(handler)
}

export function removeAbortHandler(signal: AbortSignal, handler: () => void): void {
  const watch = watches.get(signal)
  if (watch === undefined) return
  watch.handlers.delete(handler)
  if (watch.handlers.size > 0) return
  signal.removeEventListener('abort', watch.listener)
  watches.delete(signal)
}
