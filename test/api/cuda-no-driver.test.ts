// A machine without NVIDIA's driver: everything but GPUs works, and calls for GPUs say why not.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { identityConfig, loadIdentity } from './support/identity.js'
import {
  CudaMemory,
  createServer,
  cudaReport,
  type Model,
  type Server,
  SharedMemory,
} from './support/trident.js'

const library = '/nowhere/libcuda.so.1'
process.env.TRIDENT_CUDA_LIBRARY = library

const rawHandle = new Uint8Array(64)
let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer()
  model = await loadIdentity(server, 'identity')
})
afterAll(() => server.close())

it('is reported, for programs and for people', () => {
  const report = cudaReport()
  expect(report).toMatchObject({ library, version: null, devices: [] })
  expect(report.problem).toContain(library)
  expect(String(report)).toContain(report.problem)
  expect(String(report)).toMatch(/^CUDA driver \/nowhere\/libcuda\.so\.1\nno GPU can be used/)
})

it('serves models on CPUs, from shared memory too', async () => {
  const key = `/trident-no-driver-${process.pid}`
  using region = SharedMemory.create(key, { byteSize: 64 })
  region.write(0, Float32Array.of(1, 2, 3, 4))
  server.registerSystemSharedMemory('system', { key, byteSize: 64 })
  const INPUT0 = server.regionTensor('system', 'FP32', [4])
  const { OUTPUT0 } = await model.infer({ INPUT0 })
  expect([...(OUTPUT0!.data as Float32Array)]).toEqual([1, 2, 3, 4])
  server.unregisterSystemSharedMemory()
})

it('has no memory of GPUs', async () => {
  const exchange = {
    deviceType: 2,
    deviceId: 0,
    data: 4096n,
    shape: [4],
    strides: null,
    datatype: 'FP32',
  } as const
  const calls = [
    () => CudaMemory.allocate({ byteSize: 64 }),
    () => CudaMemory.open({ rawHandle }),
    () => CudaMemory.fromPointer({ pointer: 4096n, deviceId: 0, byteSize: 64 }),
    () => CudaMemory.fromExchange(exchange),
  ]
  for (const call of calls) await expectFailure(call, 'UNSUPPORTED', library)
})

it('registers no memory of GPUs', async () => {
  await expectFailure(
    () => server.registerCudaSharedMemory('region', { rawHandle, deviceId: 0, byteSize: 64 }),
    'UNSUPPORTED',
    "failed to register CUDA shared memory region: 'region', GPUs not supported",
    library,
  )
  expect(server.cudaSharedMemoryStatus()).toEqual([])
  await expectFailure(() => server.cudaSharedMemoryStatus('region'), 'NOT_FOUND', "'region'")
  server.unregisterCudaSharedMemory('region')
  server.unregisterCudaSharedMemory()
})

it('leaves no outputs on GPUs, and the next request is answered', async () => {
  const INPUT0 = Float32Array.of(1, 2, 3, 4)
  await expectFailure(
    () => model.infer({ INPUT0 }, { outputs: { OUTPUT0: 'device' } }),
    'INVALID_ARG',
    'OUTPUT0',
  )
  expect((await model.infer({ INPUT0 })).OUTPUT0!.data).toEqual(INPUT0)
})

it('refuses models that need a GPU, in words', async () => {
  const config = identityConfig({ config: { instanceGroup: [{ kind: 'KIND_GPU', gpus: [0] }] } })
  const files = { '1/unused': new Uint8Array(0) }
  await expectFailure(
    () => server.loadModel({ name: 'gpu', config, files }),
    'UNSUPPORTED',
    'KIND_GPU',
    library,
  )
  const { OUTPUT0 } = await model.infer({ INPUT0: new Float32Array(4) })
  expect(OUTPUT0!.shape).toEqual([4])
})

it('still checks arguments first', async () => {
  expect(() => CudaMemory.allocate({ byteSize: '64' as never })).toThrow(TypeError)
  expect(() => CudaMemory.allocate({ byteSize: -1 })).toThrow(RangeError)
  await expectFailure(() => CudaMemory.open({ rawHandle: new Uint8Array(63) }), 'INVALID_ARG', '63')
})
