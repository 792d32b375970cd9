import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectFloats, hostCopies, loadGpuIdentity, until, untilLeft } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { loadIdentity } from './support/identity.js'
import {
  CudaMemory,
  createServer,
  type Model,
  type Server,
  SharedMemory,
} from './support/trident.js'

const fake = useFakeCuda({ devices: 2 })
const floats = [1, 2, 3, 4]

let server: Server
let gpu: Model
let cpu: Model

beforeAll(async () => {
  server = await createServer()
  gpu = await loadGpuIdentity(server, 'gpu')
  cpu = await loadIdentity(server, 'cpu')
})
afterAll(async () => {
  await server.close()
  await untilLeft(fake, 'opened')
  expect(fake.violations()).toBe(0)
})

async function withFloats(byteSize = 256, deviceId = 0): Promise<CudaMemory> {
  const memory = CudaMemory.allocate({ byteSize, deviceId })
  await memory.write(0, Float32Array.from(floats))
  return memory
}

describe('tensors in memory of a GPU', () => {
  it('go through a model of that GPU without the host', async () => {
    using memory = await withFloats()
    const INPUT0 = memory.tensor('FP32', [4])
    const target = memory.tensor('FP32', [4], { offset: 64 })
    const before = hostCopies(fake)
    const copied = (await gpu.statistics()).copy_stats
    for (let i = 0; i < 10; i++) {
      const { OUTPUT0 } = await gpu.infer({ INPUT0 }, { outputs: { OUTPUT0: target } })
      expect(OUTPUT0).toBe(target)
    }
    gpu.inferSync({ INPUT0 }, { outputs: { OUTPUT0: target } })
    expect(hostCopies(fake)).toBe(before)
    expect((await gpu.statistics()).copy_stats).toEqual(copied)
    await expectFloats(memory, floats, 64)
    expect([...(await target.read()).data]).toEqual(floats)
  })

  it('go into any model, and out of it', async () => {
    using memory = await withFloats()
    using far = await withFloats(256, 1)
    const host = Float32Array.from(floats)
    for (const model of [gpu, cpu]) {
      for (const INPUT0 of [memory.tensor('FP32', [4]), far.tensor('FP32', [4]), host]) {
        const { OUTPUT0 } = await model.infer({ INPUT0 })
        expect([...(OUTPUT0!.data as Float32Array)]).toEqual(floats)
        for (const to of [memory, far]) {
          await to.write(128, new Float32Array(4))
          const target = to.tensor('FP32', [4], { offset: 128 })
          await model.infer({ INPUT0 }, { outputs: { OUTPUT0: target } })
          await expectFloats(to, floats, 128)
        }
      }
    }
  })

  it('may be BYTES', async () => {
    const text = await loadGpuIdentity(server, 'text', { datatype: 'BYTES', dims: [2] })
    using memory = CudaMemory.allocate({ byteSize: 256 })
    await memory.write(10, Uint8Array.of(2, 0, 0, 0, 104, 105, 1, 0, 0, 0, 33))
    const INPUT0 = memory.tensor('BYTES', [2], { offset: 10, byteSize: 11 })
    expect((await INPUT0.read()).toStrings()).toEqual(['hi', '!'])
    const target = memory.tensor('BYTES', [2], { offset: 100, byteSize: 64 })
    await text.infer({ INPUT0 }, { outputs: { OUTPUT0: target } })
    expect((await target.read()).toStrings()).toEqual(['hi', '!'])
    await memory.write(10, Uint32Array.of(0xffffffff))
    await expectFailure(() => INPUT0.read(), 'INVALID_ARG')
  })

  it('that overlap as outputs are refused', async () => {
    const two = await loadGpuIdentity(server, 'two', { tensors: 2 })
    using memory = await withFloats()
    using same = CudaMemory.fromPointer({ pointer: memory.pointer, deviceId: 0, byteSize: 256 })
    const INPUT = memory.tensor('FP32', [4], { offset: 128 })
    const outputs = {
      OUTPUT0: memory.tensor('FP32', [4]),
      OUTPUT1: same.tensor('FP32', [4], { offset: 12 }),
    }
    await expectFailure(
      () => two.infer({ INPUT0: INPUT, INPUT1: INPUT }, { outputs }),
      'INVALID_ARG',
      'overlap',
    )
  })

  it('of memory that is closed are refused', async () => {
    const memory = await withFloats()
    const INPUT0 = memory.tensor('FP32', [4])
    const devices = fake.calls('device')
    const run = gpu.prepare({ inputs: { INPUT0 } })
    run.sync()
    memory.close()
    await expectFailure(() => gpu.infer({ INPUT0 }), 'UNAVAILABLE', 'closed')
    await expectFailure(() => run.sync(), 'UNAVAILABLE', 'closed')
    await expectFailure(() => run.async(), 'UNAVAILABLE', 'closed')
    expect(fake.calls('device')).toBe(devices)
    run.close()
    await untilLeft(fake, 'device', devices - 1)
  })

  it('keep memory that is closed while requests use it', async () => {
    const memory = await withFloats()
    using target = CudaMemory.allocate({ byteSize: 16 })
    const copies = fake.calls('cuMemcpyDtoDAsync_v2')
    fake.hold()
    const answer = gpu.infer(
      { INPUT0: memory.tensor('FP32', [4]) },
      { outputs: { OUTPUT0: target.tensor('FP32', [4]) } },
    )
    await until(() => fake.calls('cuMemcpyDtoDAsync_v2') > copies)
    memory.close()
    fake.release()
    await answer
    await expectFloats(target, floats)
  })
})

describe('registration', () => {
  it('follows the extension', async () => {
    using memory = await withFloats(1000)
    const { ipcHandle } = memory
    server.registerCudaSharedMemory('a', { rawHandle: ipcHandle, deviceId: 0, byteSize: 1000 })
    server.registerCudaSharedMemory('b', {
      rawHandle: ipcHandle.toString('base64'),
      deviceId: 0,
      byteSize: 100,
    })
    expect(server.cudaSharedMemoryStatus('b')).toEqual([{ name: 'b', deviceId: 0, byteSize: 100 }])
    expect(server.cudaSharedMemoryStatus().map(({ name }) => name)).toEqual(['a', 'b'])
    expect(server.systemSharedMemoryStatus()).toEqual([])
    const before = hostCopies(fake)
    const INPUT0 = server.regionTensor('b', 'FP32', [4])
    const target = server.regionTensor('a', 'FP32', [4], { offset: 500 })
    const { OUTPUT0 } = await gpu.infer({ INPUT0 }, { outputs: { OUTPUT0: target } })
    expect(OUTPUT0).toBe(target)
    expect(hostCopies(fake)).toBe(before)
    await expectFloats(memory, floats, 500)
    await expectFailure(
      () => gpu.infer({ INPUT0: server.regionTensor('b', 'FP32', [4], { offset: 96 }) }),
      'INVALID_ARG',
      "'b'",
    )
    server.unregisterCudaSharedMemory('a')
    server.unregisterCudaSharedMemory('never seen')
    await expectFailure(() => server.cudaSharedMemoryStatus('a'), 'NOT_FOUND', "'a'")
    await expectFailure(() => gpu.infer({ INPUT0: target }), 'NOT_FOUND', 'a')
    server.unregisterCudaSharedMemory()
    expect(server.cudaSharedMemoryStatus()).toEqual([])
  })

  it('shares its names with system shared memory', async () => {
    const key = `/trident-cuda-names-${process.pid}`
    using system = SharedMemory.create(key, { byteSize: 64 })
    using memory = CudaMemory.allocate({ byteSize: 64 })
    const cuda = { rawHandle: memory.ipcHandle, deviceId: 0, byteSize: 64 }
    server.registerSystemSharedMemory('s', { key: system.key, byteSize: 64 })
    server.registerCudaSharedMemory('c', cuda)
    await expectFailure(() => server.registerCudaSharedMemory('s', cuda), 'ALREADY_EXISTS', "'s'")
    await expectFailure(() => server.registerCudaSharedMemory('c', cuda), 'ALREADY_EXISTS', "'c'")
    await expectFailure(
      () => server.registerSystemSharedMemory('c', { key, byteSize: 64 }),
      'ALREADY_EXISTS',
      "'c'",
    )
    await expectFailure(
      () => server.systemSharedMemoryStatus('c'),
      'NOT_FOUND',
      "'c' is registered as CUDA shared memory, not system shared memory",
    )
    await expectFailure(
      () => server.cudaSharedMemoryStatus('s'),
      'NOT_FOUND',
      "'s' is registered as system shared memory, not CUDA shared memory",
    )
    server.unregisterSystemSharedMemory()
    expect(server.cudaSharedMemoryStatus().map(({ name }) => name)).toEqual(['c'])
    server.registerSystemSharedMemory('s', { key: system.key, byteSize: 64 })
    server.unregisterCudaSharedMemory()
    expect(server.systemSharedMemoryStatus().map(({ name }) => name)).toEqual(['s'])
    server.unregisterSystemSharedMemory()
  })

  it('keeps memory that its owner closes', async () => {
    const memory = await withFloats(64)
    const region = { rawHandle: memory.ipcHandle, deviceId: 0, byteSize: 64 }
    server.registerCudaSharedMemory('kept', region)
    memory.close()
    const INPUT0 = server.regionTensor('kept', 'FP32', [4])
    expect([...((await gpu.infer({ INPUT0 })).OUTPUT0!.data as Float32Array)]).toEqual(floats)
    server.registerCudaSharedMemory('again', region)
    server.unregisterCudaSharedMemory()
    await expectFailure(() => server.registerCudaSharedMemory('gone', region), 'INVALID_ARG')
  })

  it('waits for requests that use the region', async () => {
    const memory = await withFloats(64)
    using target = CudaMemory.allocate({ byteSize: 16 })
    server.registerCudaSharedMemory('held', {
      rawHandle: memory.ipcHandle,
      deviceId: 0,
      byteSize: 64,
    })
    memory.close()
    const outputs = { OUTPUT0: target.tensor('FP32', [4]) }
    const INPUT0 = server.regionTensor('held', 'FP32', [4])
    const copies = fake.calls('cuMemcpyDtoDAsync_v2')
    fake.hold()
    const answer = gpu.infer({ INPUT0 }, { outputs })
    await until(() => fake.calls('cuMemcpyDtoDAsync_v2') > copies)
    const devices = fake.calls('device')
    server.unregisterCudaSharedMemory('held')
    await expectFailure(() => gpu.infer({ INPUT0 }), 'NOT_FOUND', 'held')
    expect(fake.calls('device')).toBe(devices)
    fake.release()
    await answer
    await expectFloats(target, floats)
    await until(() => fake.calls('device') < devices)
  })

  it('refuses what it can not be', async () => {
    using memory = CudaMemory.allocate({ byteSize: 64 })
    const rawHandle = memory.ipcHandle
    const good = { rawHandle, deviceId: 0, byteSize: 64 }
    const bad: object[] = [
      { ...good, rawHandle: rawHandle.subarray(1) },
      { ...good, rawHandle: new Uint8Array(64) },
      { ...good, rawHandle: 'AAAA' },
      { ...good, rawHandle: '%'.repeat(88) },
      { ...good, deviceId: 1 },
      { ...good, deviceId: 5 },
      { ...good, byteSize: 0 },
      { ...good, byteSize: 65 },
      { ...good, byteSize: Number.MAX_SAFE_INTEGER },
    ]
    for (const region of bad) {
      await expectFailure(
        () => server.registerCudaSharedMemory('bad', region as never),
        'INVALID_ARG',
      )
    }
    const wrong: [unknown, unknown][] = [
      [5, good],
      ['n', null],
      ['n', { ...good, rawHandle: 5 }],
      ['n', { ...good, byteSize: '64' }],
      ['n', { rawHandle, byteSize: 64 }],
      ['n', { ...good, offset: 0 }],
    ]
    for (const [name, region] of wrong) {
      expect(() => server.registerCudaSharedMemory(name as never, region as never)).toThrow(
        TypeError,
      )
    }
    expect(server.cudaSharedMemoryStatus()).toEqual([])
    const closed = await createServer()
    await closed.close()
    await expectFailure(() => closed.registerCudaSharedMemory('n', good), 'UNAVAILABLE')
    await expectFailure(() => closed.unregisterCudaSharedMemory(), 'UNAVAILABLE')
    await expectFailure(() => closed.cudaSharedMemoryStatus(), 'UNAVAILABLE')
  })

  it('ends with its server', async () => {
    const memory = await withFloats(64)
    const other = await createServer()
    other.registerCudaSharedMemory('mine', {
      rawHandle: memory.ipcHandle,
      deviceId: 0,
      byteSize: 64,
    })
    const devices = fake.calls('device')
    memory.close()
    expect(fake.calls('device')).toBe(devices)
    await other.close()
    await untilLeft(fake, 'device', devices - 1)
  })
})
