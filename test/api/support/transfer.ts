/** What postMessage does to the buffer under an array: afterwards the array is empty for good. */
export function transferAway({ buffer }: { readonly buffer: ArrayBufferLike }): ArrayBufferLike {
  return structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
}
