// Buffers with inputs of functions: many of them are native memory, as long as the execution lasts,
// and requests made meanwhile can read them in place.
import type { TypedArray } from './datatypes.js'

/** Smaller ones are copies. */
const leastBytes = 32 << 10

const views = new WeakSet<ArrayBufferLike>()

/** To be asked about later: which buffers are views only the addon knows. */
export function noteExecutionView(buffer: ArrayBuffer): void {
  if (buffer.byteLength >= leastBytes) views.add(buffer)
}

export function maybeExecutionView({ buffer, byteLength }: TypedArray): boolean {
  return byteLength >= leastBytes && views.has(buffer)
}
