// Models with instances on devices, and the options of a server for devices and their memory.
import { expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { testBackends } from './support/repeat.js'
import {
  createServer,
  type InstanceGroupConfig,
  type ModelConfig,
  type Server,
  type ServerOptions,
} from './support/trident.js'
import { loadWitness } from './support/witness.js'

const megabyte = 2 ** 20
const cuda = useFakeCuda({ devices: 3, compute: '9.0,8.0,9.0', memoryBytes: 32 * megabyte })

function start(options: ServerOptions = {}): Promise<Server> {
  return createServer({ backendDirectory: testBackends, logLevel: 'silent', ...options })
}

/** A model that keeps `bytes` of a kind of memory for as long as it is loaded. */
function keeping(memory: 'GPU' | 'CPU_PINNED', bytes: number): ModelConfig {
  return { parameters: { allocate: { stringValue: `${memory} ${bytes}` } } }
}
function onGpus(...gpus: number[]): { instanceGroup: InstanceGroupConfig[] } {
  return { instanceGroup: [{ kind: 'KIND_GPU', gpus }] }
}

async function groupOf(server: Server, name: string) {
  const model = server.model(name)
  return (await model.config()).instanceGroup![0]!
}

it('runs models on the GPUs that they name', async () => {
  await using server = await start()
  const model = await loadWitness(server, 'model', onGpus(2))
  const data = Float32Array.of(1, 2)
  expect((await model.infer({ input: data })).output!.data).toEqual(data)
  expect(model.inferSync({ input: data }).output!.data).toEqual(data)
  expect(await server.metrics()).toMatch(
    /nv_inference_count{gpu_uuid="GPU-[-0-9a-f]+",model="model"/,
  )
  await expectFailure(() => loadWitness(server, 'none', onGpus(3)), 'INVALID_ARG', 'GPU 3')
})

it('takes for KIND_AUTO the GPUs with the minimum compute capability', async () => {
  await using server = await start({ cuda: { minComputeCapability: 8.5 } })
  await loadWitness(server, 'model', { instanceGroup: [{ count: 1 }] })
  expect(await groupOf(server, 'model')).toMatchObject({ kind: 'KIND_GPU', gpus: [0, 2] })
  await expectFailure(() => loadWitness(server, 'old', onGpus(1)), 'INVALID_ARG', 'GPU 1')
  await using strict = await start({ cuda: { minComputeCapability: 9.1 } })
  await loadWitness(strict, 'model', { instanceGroup: [{ count: 1 }] })
  expect(await groupOf(strict, 'model')).toMatchObject({ kind: 'KIND_CPU' })
})

it('gives backends memory from pools of the given sizes', async () => {
  const host = cuda.bytes('host')
  const device = cuda.bytes('device')
  await using server = await start({
    pinnedMemoryPoolByteSize: megabyte,
    cuda: { memoryPoolByteSize: { 2: 3 * megabyte } },
  })
  const hostOnly: ModelConfig = { instanceGroup: [{ kind: 'KIND_CPU', count: 1 }] }
  await loadWitness(server, 'pinned', { ...hostOnly, ...keeping('CPU_PINNED', 1000) })
  expect(cuda.bytes('host') - host).toBe(megabyte)
  expect(await server.metrics()).toContain(`\nnv_pinned_memory_pool_total_bytes ${megabyte}\n`)
  expect(await server.metrics()).toContain('\nnv_pinned_memory_pool_used_bytes 1024\n')
  await expectFailure(
    () => loadWitness(server, 'more', { ...hostOnly, ...keeping('CPU_PINNED', megabyte) }),
    'UNAVAILABLE',
    'no room',
  )
  await loadWitness(server, 'device', { ...onGpus(2), ...keeping('GPU', 3 * megabyte) })
  expect(cuda.bytes('device') - device).toBe(3 * megabyte)
})

it('loads nothing where more of the memory is in use than allowed', async () => {
  await using server = await start({
    cuda: { modelLoadLimit: { 0: 0.25 }, memoryPoolByteSize: { 0: 16 * megabyte } },
  })
  await loadWitness(server, 'small', onGpus(0))
  await expectFailure(
    () => loadWitness(server, 'large', { ...onGpus(0), ...keeping('GPU', 1) }),
    'UNAVAILABLE',
    'memory limit set for GPU 0 has exceeded',
  )
})

it('lets devices use each other’s memory unless told not to', async () => {
  const enabled = cuda.calls('cuCtxEnablePeerAccess')
  await using apart = await start({ cuda: { peerAccess: false } })
  await loadWitness(apart, 'model', onGpus(0, 1))
  expect(cuda.calls('cuCtxEnablePeerAccess')).toBe(enabled)
  await using together = await start()
  await loadWitness(together, 'model', onGpus(0, 1))
  expect(cuda.calls('cuCtxEnablePeerAccess')).toBe(enabled + 2)
})

it('refuses options that are none', async () => {
  const refuses = (options: object, type: new () => Error, text: RegExp) =>
    expect(start(options)).rejects.toSatisfy(
      (error) => error instanceof type && text.test((error as Error).message),
    )
  await refuses({ cuda: 1 }, TypeError, /cuda is an object/)
  await refuses({ cuda: { pool: 1 } }, TypeError, /cuda/)
  await refuses({ cuda: { minComputeCapability: '9' } }, TypeError, /minComputeCapability/)
  await refuses({ cuda: { minComputeCapability: -1 } }, RangeError, /minComputeCapability/)
  await refuses({ cuda: { peerAccess: 1 } }, TypeError, /peerAccess/)
  await refuses({ cuda: { memoryPoolByteSize: 1 } }, TypeError, /memoryPoolByteSize is an object/)
  await refuses({ cuda: { memoryPoolByteSize: { gpu: 1 } } }, TypeError, /got 'gpu'/)
  await refuses({ cuda: { memoryPoolByteSize: { 0: 0.5 } } }, RangeError, /ByteSize\[0\]/)
  await refuses({ cuda: { memoryPoolByteSize: { 4294967296: 1 } } }, RangeError, /device/)
  await refuses({ cuda: { modelLoadLimit: { 0: 1.5 } } }, RangeError, /modelLoadLimit\[0\]/)
  await refuses({ cuda: { modelLoadLimit: { 0: '1' } } }, TypeError, /modelLoadLimit\[0\]/)
  await refuses({ pinnedMemoryPoolByteSize: -1 }, RangeError, /pinnedMemoryPoolByteSize/)
})
