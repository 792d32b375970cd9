// What the tests on GPUs share. They run against any driver, also one that only pretends.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { CudaMemory, cudaReport } from '../../dist/esm/index.js'

export const { devices } = cudaReport()
/** For tests of two devices: false, or why they are left out. */
export const needsTwo = devices.length > 1 ? false : 'there is one device'

/** Old devices will do: nothing here needs what newer ones can. */
export const serverOptions = { cuda: { minComputeCapability: 0 } }

/** A model that gives back its floats, on a GPU or, with null, on the CPU. */
export function loadIdentity(server, name, gpu = 0, config = {}) {
  const group = gpu === null ? { kind: 'KIND_CPU' } : { kind: 'KIND_GPU', gpus: [gpu] }
  return server.loadModel({
    name,
    config: {
      backend: 'identity',
      input: [{ name: 'INPUT0', dataType: 'TYPE_FP32', dims: [-1] }],
      output: [{ name: 'OUTPUT0', dataType: 'TYPE_FP32', dims: [-1] }],
      instanceGroup: [{ count: 1, ...group }],
      ...config,
    },
    files: { '1/unused': new Uint8Array(0) },
  })
}

/** Numbers that tell their place. */
export function numbers(count, first = 1) {
  return Float32Array.from({ length: count }, (_, i) => first + i)
}

/** Memory of a device that begins with these floats. */
export async function memoryWith(floats, { byteSize = floats.byteLength, deviceId = 0 } = {}) {
  const memory = CudaMemory.allocate({ byteSize, deviceId })
  await memory.write(0, floats)
  return memory
}

export async function floatsOf(memory, count, offset = 0) {
  const found = new Float32Array(count)
  await memory.read(offset, found)
  return found
}

/** Fails unless `call` throws or rejects with this code. */
export async function refuses(call, code) {
  await assert.rejects(async () => call(), { name: 'TridentError', code })
}

/**
 * Calls `use` while another process has device memory that begins with these floats: with the
 * memory's handle, and with what asks that process for those floats.
 */
export async function withOwner(floats, use, { byteSize = floats.byteLength } = {}) {
  const program = fileURLToPath(new URL('owner.mjs', import.meta.url))
  const owner = spawn(process.execPath, [program, String(byteSize), JSON.stringify([...floats])], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(owner, 'exit')
  owner.stdin.on('error', () => {}) // nobody reads any more: `next` says why
  const lines = createInterface(owner.stdout)[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (!done) return value
    const [code, signal] = await ended
    throw new Error(`the process that has the memory ended with ${signal ?? `code ${code}`}`)
  }
  try {
    const rawHandle = await next()
    return await use(rawHandle, async () => {
      owner.stdin.write('read\n')
      return Float32Array.from(JSON.parse(await next()))
    })
  } finally {
    owner.stdin.end()
    await ended
  }
}
