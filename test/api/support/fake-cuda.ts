// The CUDA driver without a GPU (test/cuda/fake_cuda.h) for this process and its children.
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './trident.js'

export interface FakeCudaOptions {
  devices?: number
  /** Of each device. */
  memoryBytes?: number
  /** Compute capability: '9.0', or one per device: '9.0,7.0'. */
  compute?: string
  /** Whether devices reach each other's memory. */
  peer?: boolean
}

export interface FakeCuda {
  /** What a child process needs to share devices, counts and faults with this one. */
  readonly env: Record<string, string>
  /** Calls of a driver's function so far, or what a special row counts. */
  calls(name: string): number
  /** Bytes that a driver's function was asked for so far, or what a special row counts. */
  bytes(name: string): number
  /** After `after` calls more, each call of the function answers `result` instead of working. */
  fail(name: string, result: number, after?: number): void
  heal(name: string): void
  /** Streams stand still until `release`. */
  hold(): void
  release(): void
  /** Every call for the device answers `result` from now on. */
  lose(device: number, result?: number): void
  /** Uses of memory that was freed, or of a stream of another device. */
  violations(): number
}

const rowCount = 96
const rowBytes = 64
const callsAt = 40
const faultAt = 48 // fail_after, then result
const bytesAt = 56
/** Rows in their order: as the library's two lists have them. */
function rowNames(): string[] {
  const lists = ['native/cuda/driver_api.h', 'test/cuda/table.h']
  return lists.flatMap((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    return [...text.matchAll(/^ {2}F\((\w+),/gm)].map((match) => match[1] as string)
  })
}

/** To be called at the top of a file, before anything of Trident is used. */
export function useFakeCuda(options: FakeCudaOptions = {}): FakeCuda {
  const control = join(mkdtempSync(join(tmpdir(), 'trident-fake-cuda-')), 'control')
  const out = dirname(process.env.TRIDENT_NATIVE_BINDING ?? join(root, 'build/Release/out/x'))
  const env = {
    TRIDENT_CUDA_LIBRARY: join(out, 'test/libtrident_fake_cuda.so'),
    FAKE_CUDA_CONTROL: control,
    FAKE_CUDA_DEVICES: String(options.devices ?? 2),
    FAKE_CUDA_MEMORY_BYTES: String(options.memoryBytes ?? 2 ** 30),
    FAKE_CUDA_COMPUTE: options.compute ?? '9.0',
    FAKE_CUDA_PEER: options.peer === false ? '0' : '1',
  }
  Object.assign(process.env, env)
  const file = openSync(control, 'w+')
  ftruncateSync(file, rowCount * rowBytes)
  process.on('exit', () => {
    closeSync(file)
    rmSync(dirname(control), { recursive: true })
  })

  const names = rowNames()
  const offsetOf = (name: string) => {
    const row = names.indexOf(name)
    if (row < 0) throw new Error(`the fake CUDA driver has no row '${name}'`)
    return row * rowBytes
  }
  const readNumber = (position: number) => {
    const bytes = Buffer.alloc(8)
    readSync(file, bytes, 0, 8, position)
    return Number(bytes.readBigUInt64LE())
  }
  const writeFault = (name: string, result: number, after = 0) => {
    const fault = Buffer.alloc(8)
    fault.writeUInt32LE(after, 0)
    fault.writeInt32LE(result, 4)
    writeSync(file, fault, 0, 8, offsetOf(name) + faultAt)
  }

  return {
    env,
    calls: (name) => readNumber(offsetOf(name) + callsAt),
    bytes: (name) => readNumber(offsetOf(name) + bytesAt),
    fail: writeFault,
    heal: (name) => writeFault(name, 0),
    hold: () => writeFault('hold', 1),
    release: () => writeFault('hold', 0),
    lose(device, result = 700) {
      const mask = Buffer.alloc(8)
      mask.writeBigUInt64LE(BigInt(readNumber(offsetOf('lose') + bytesAt)) | (1n << BigInt(device)))
      writeSync(file, mask, 0, 8, offsetOf('lose') + bytesAt)
      writeFault('lose', result)
    },
    violations: () => readNumber(offsetOf('violations') + callsAt),
  }
}
