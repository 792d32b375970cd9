// What there is of CUDA, and how arguments about it are read.
import { getBridge } from './bridge.js'
import { arrayName, typeName } from './datatypes.js'
import { invalid } from './errors.js'
import { readSize } from './region-tensor.js'

/** Bytes of a handle by which processes give each other device memory. */
const handleBytes = 64

export interface CudaDevice {
  /** From 0: the `deviceId` of other calls, and what `gpus` of a model's instance groups names. */
  readonly id: number
  readonly name: string
  /** 'GPU-' and five groups of hexadecimal digits. */
  readonly uuid: string
  /** '9.0' */
  readonly computeCapability: string
  readonly memoryBytes: number
}

/** What this process can do with GPUs; as a string it is text for people. Made by `cudaReport`. */
export class CudaReport {
  /** The driver library that was looked for, by name or path. */
  readonly library: string
  /** The CUDA version that the driver offers, as '12.4'; null when it is not known. */
  readonly version: string | null
  /** What is missing; null when GPUs can be used. */
  readonly problem: string | null
  readonly devices: readonly CudaDevice[]

  /** @internal */
  constructor(
    library: string,
    version: string | null,
    problem: string | null,
    devices: readonly CudaDevice[],
  ) {
    this.library = library
    this.version = version
    this.problem = problem
    this.devices = devices
  }

  toString(): string {
    const version = this.version === null ? '' : `, CUDA ${this.version}`
    const lines = [`CUDA driver ${this.library}${version}`]
    if (this.problem !== null) {
      lines.push(`no GPU can be used: ${this.problem}`, 'models on CPUs are not affected')
    }
    for (const { id, name, uuid, computeCapability, memoryBytes } of this.devices) {
      const size = (memoryBytes / 2 ** 30).toFixed(1)
      lines.push(`device ${id}: ${name}, compute ${computeCapability}, ${size} GiB, ${uuid}`)
    }
    return lines.join('\n')
  }
}

/**
 * Looks for NVIDIA's driver and its devices: what there is, or what is missing, which
 * `String(cudaReport())` says to people. Does not throw for a machine without GPUs, and does not
 * occupy any memory of one. The driver is looked for once per process.
 */
export function cudaReport(): CudaReport {
  const [library, version, problem, rows] = getBridge().native.cudaReport()
  const devices = rows.map(([id, name, uuid, major, minor, memoryBytes]) =>
    Object.freeze({ id, name, uuid, computeCapability: `${major}.${minor}`, memoryBytes }),
  )
  return new CudaReport(library, versionName(version), problem, Object.freeze(devices))
}

/** @param version 1000 * major + 10 * minor */
function versionName(version: number): string | null {
  return version === 0 ? null : `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`
}

export function readDevice(value: unknown): number {
  return readSize(value, 'deviceId')
}

/** The bytes of an IPC handle, which may be base64, as Triton's HTTP clients send it. */
export function readRawHandle(value: unknown): Uint8Array {
  if (typeof value === 'string') {
    if (/^[A-Za-z0-9+/]{86}==$/.test(value)) return Buffer.from(value, 'base64')
    throw invalid(
      `rawHandle is base64 of the ${handleBytes} bytes of a CUDA IPC handle, 86 of its characters ` +
        `and '=='; got ${value.length === 88 ? 'others' : `${value.length} characters`}`,
    )
  }
  if (arrayName(value) !== 'Uint8Array') {
    throw new TypeError(`rawHandle is a Uint8Array or base64 string, got ${typeName(value)}`)
  }
  const handle = value as Uint8Array
  if (handle.length === handleBytes) return handle
  throw invalid(`rawHandle is a CUDA IPC handle of ${handleBytes} bytes, got ${handle.length}`)
}

/** A device address; a TypeError or RangeError when it is none. */
export function readPointer(value: unknown, what: string): bigint {
  if (typeof value !== 'bigint') throw new TypeError(`${what} is a bigint, got ${typeName(value)}`)
  if (value > 0n && BigInt.asUintN(64, value) === value) return value
  throw new RangeError(`${what} is an address of 64 bits and not 0, got ${value}`)
}
