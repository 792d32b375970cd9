// Reads the arrays that memory is copied from and to.
import { arrayName, typeName } from './datatypes.js'
import { invalid } from './errors.js'
import { isDetached } from './request.js'

/** `array` as the addon takes it: a typed array. */
export function readView(array: unknown, what: string): ArrayBufferView {
  if (!ArrayBuffer.isView(array)) {
    throw new TypeError(`${what} is a typed array or DataView, got ${typeName(array)}`)
  }
  if (isDetached(array.buffer)) {
    throw invalid(`${what}: its buffer is detached (transferred elsewhere); expected its bytes`)
  }
  if (arrayName(array) !== undefined) return array
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
