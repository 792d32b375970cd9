/** Triton's tensor datatypes. */
export type Datatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'FP32'
  | 'FP64'
  | 'BYTES'
  | 'BF16'

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array

/**
 * The array that holds the elements of a datatype. FP16 and BF16 elements are their 16 bits; BOOL
 * elements are bytes 0 and 1; 64-bit integers are bigints.
 */
export interface ArrayOf {
  BOOL: Uint8Array
  UINT8: Uint8Array
  UINT16: Uint16Array
  UINT32: Uint32Array
  UINT64: BigUint64Array
  INT8: Int8Array
  INT16: Int16Array
  INT32: Int32Array
  INT64: BigInt64Array
  FP16: Uint16Array
  FP32: Float32Array
  FP64: Float64Array
  BYTES: readonly (string | Uint8Array)[]
  BF16: Uint16Array
}

export interface TypedArrayConstructor {
  new (length: number): TypedArray
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray
  readonly name: string
  readonly BYTES_PER_ELEMENT: number
}

export interface DatatypeInfo {
  readonly name: Datatype
  /** The value of TRITONSERVER_DataType. */
  readonly id: number
  /** Bytes of one element; 0 for BYTES, whose elements vary. */
  readonly byteSize: number
  /** Null for BYTES. */
  readonly array: TypedArrayConstructor | null
}

function row(
  id: number,
  name: Datatype,
  byteSize: number,
  array: TypedArrayConstructor | null,
): DatatypeInfo {
  return Object.freeze({ id, name, byteSize, array })
}

/** One row per datatype, at the position of its id. */
const table: readonly (DatatypeInfo | null)[] = [
  null,
  row(1, 'BOOL', 1, Uint8Array),
  row(2, 'UINT8', 1, Uint8Array),
  row(3, 'UINT16', 2, Uint16Array),
  row(4, 'UINT32', 4, Uint32Array),
  row(5, 'UINT64', 8, BigUint64Array),
  row(6, 'INT8', 1, Int8Array),
  row(7, 'INT16', 2, Int16Array),
  row(8, 'INT32', 4, Int32Array),
  row(9, 'INT64', 8, BigInt64Array),
  row(10, 'FP16', 2, Uint16Array),
  row(11, 'FP32', 4, Float32Array),
  row(12, 'FP64', 8, Float64Array),
  row(13, 'BYTES', 0, null),
  row(14, 'BF16', 2, Uint16Array),
]

const byName = new Map<string, DatatypeInfo>()
for (const info of table) if (info) byName.set(info.name, info)

/** All datatype names. */
export const datatypes: readonly Datatype[] = [...byName.keys()] as Datatype[]

/** The row of `name`; a TypeError when there is no such datatype. */
export function datatypeInfo(name: string): DatatypeInfo {
  const info = byName.get(name)
  if (info) return info
  throw new TypeError(`unknown datatype '${String(name)}': use one of ${datatypes.join(', ')}`)
}

export function datatypeFromId(id: number): DatatypeInfo {
  const info = table[id]
  if (info) return info
  throw new TypeError(`unknown datatype number ${id}`)
}

/** From the spelling of model configurations: TYPE_FP32, TYPE_STRING. */
export function datatypeFromConfig(name: string): DatatypeInfo {
  return datatypeInfo(name === 'TYPE_STRING' ? 'BYTES' : name.replace(/^TYPE_/, ''))
}

const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!

/**
 * 'Float32Array' and so on, also for subclasses (Buffer) and arrays of other contexts, where
 * instanceof fails; undefined for anything else.
 */
export function arrayName(value: unknown): string | undefined {
  return typedArrayName.call(value) as string | undefined
}

/** What to call an argument's type in a message. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  return value.constructor?.name ?? 'object'
}
