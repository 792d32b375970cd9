// Every call of the driver may fail: each time one typed error, and then all goes on.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectFloats, loadGpuIdentity, until, untilLeft } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { loadIdentity } from './support/identity.js'
import {
  CudaMemory,
  createServer,
  type ErrorCode,
  type Model,
  type Server,
  TridentError,
} from './support/trident.js'

const fake = useFakeCuda({ devices: 2 })
const floats = [1, 2, 3, 4]
const outOfMemory = 2
const unknown = 999
const illegalAddress = 700

/** The devices, as the server tells it. */
const lost: number[] = []
let server: Server
let model: Model
let cpu: Model
let memory: CudaMemory
let target: CudaMemory

beforeAll(async () => {
  server = await createServer({ onDeviceEvent: ({ deviceId }) => lost.push(deviceId) })
  model = await loadGpuIdentity(server, 'gpu')
  cpu = await loadIdentity(server, 'cpu')
  memory = CudaMemory.allocate({ byteSize: 64 })
  target = CudaMemory.allocate({ byteSize: 64 })
  await memory.write(0, Float32Array.from(floats))
  await run()
})
afterAll(async () => {
  memory.close()
  target.close()
  await server.close()
  await untilLeft(fake, 'opened')
  expect(fake.violations()).toBe(0)
})

async function run(): Promise<void> {
  const OUTPUT0 = target.tensor('FP32', [4])
  await model.infer({ INPUT0: memory.tensor('FP32', [4]) }, { outputs: { OUTPUT0 } })
}

/** Expects that `call` fails in this way while the driver's function does, and works afterwards. */
async function expectFault(
  name: string,
  result: number,
  code: ErrorCode,
  call: () => unknown,
): Promise<void> {
  fake.fail(name, result)
  try {
    await expectFailure(call, code)
  } finally {
    fake.heal(name)
  }
  await call()
}

describe('a driver call that fails once', () => {
  it('fails the allocation', async () => {
    const allocate = () => CudaMemory.allocate({ byteSize: 64 }).close()
    await expectFault('cuMemAlloc_v2', outOfMemory, 'UNAVAILABLE', allocate)
    await expectFault('cuMemAlloc_v2', unknown, 'INTERNAL', allocate)
  })

  it('fails the copy', async () => {
    const array = Float32Array.from(floats)
    await expectFault('cuMemcpyHtoDAsync_v2', unknown, 'INTERNAL', () => memory.write(0, array))
    await expectFault('cuMemcpyDtoHAsync_v2', unknown, 'INTERNAL', () => memory.read(0, array))
    await expectFault('cuMemcpyDtoDAsync_v2', unknown, 'INTERNAL', () => target.copyFrom(memory))
    expect([...array]).toEqual(floats)
    await expectFloats(target, floats)
  })

  it('fails the export, the address and the registration', async () => {
    const fresh = () => {
      using exported = CudaMemory.allocate({ byteSize: 64 })
      return exported.ipcHandle
    }
    await expectFault('cuIpcGetMemHandle', unknown, 'INTERNAL', fresh)
    const { pointer } = memory
    const wrap = () => CudaMemory.fromPointer({ pointer, deviceId: 0, byteSize: 8 }).close()
    await expectFault('cuMemGetAddressRange_v2', unknown, 'INTERNAL', wrap)
  })

  it('fails the request', async () => {
    await expectFault('cuMemcpyDtoDAsync_v2', unknown, 'INTERNAL', run)
    await expectFloats(target, floats)
  })

  it('fails a request whose output was to stay on the device', async () => {
    const big = await loadGpuIdentity(server, 'big', { dims: [-1] })
    using input = CudaMemory.allocate({ byteSize: 2 ** 20 })
    const INPUT0 = input.tensor('FP32', [2 ** 18])
    const toDevice = async () => {
      const { OUTPUT0 } = await big.infer({ INPUT0 }, { outputs: { OUTPUT0: 'device' } })
      OUTPUT0.memory.close()
    }
    await expectFault('cuMemAlloc_v2', outOfMemory, 'UNAVAILABLE', toDevice)
  })
})

describe('any driver call that fails', () => {
  /** Those without which something can't be done. */
  const needed = [
    'cuCtxPushCurrent_v2',
    'cuMemAlloc_v2',
    'cuMemcpyHtoDAsync_v2',
    'cuMemcpyDtoHAsync_v2',
    'cuMemcpyDtoDAsync_v2',
    'cuStreamSynchronize',
  ]
  const others = [
    'cuCtxGetCurrent',
    'cuCtxPopCurrent_v2',
    'cuMemFree_v2',
    'cuMemHostAlloc',
    'cuMemGetAddressRange_v2',
    'cuPointerGetAttribute',
    'cuGetErrorName',
    'cuGetErrorString',
  ]

  it.each([...needed, ...others])('%s gives typed errors and is over with', async (name) => {
    const attempts: (() => unknown)[] = [
      () => CudaMemory.allocate({ byteSize: 4096 }).close(),
      () => memory.write(0, Float32Array.from(floats)),
      () => memory.read(0, new Float32Array(4)),
      () => target.copyFrom(memory),
      () => memory.ipcHandle,
      () => CudaMemory.open({ rawHandle: memory.ipcHandle }).close(),
      run,
      () => model.infer({ INPUT0: Float32Array.from(floats) }),
    ]
    const devices = fake.calls('device')
    const codes = new Set<string>()
    for (const attempt of attempts) {
      fake.fail(name, unknown)
      try {
        await attempt()
      } catch (error) {
        expect(error).toBeInstanceOf(TridentError)
        codes.add((error as TridentError).code)
      } finally {
        fake.heal(name)
      }
    }
    expect([...codes]).toEqual(needed.includes(name) ? ['INTERNAL'] : [])
    await memory.write(0, Float32Array.from(floats))
    await target.write(0, new Float32Array(4))
    await run()
    await expectFloats(target, floats)
    if (name !== 'cuMemFree_v2') await untilLeft(fake, 'device', devices)
  })
})

// The last ones: a lost device is not found again.
describe('a device that is lost', () => {
  it('fails what is under way and what follows, and nothing else', async () => {
    const far = CudaMemory.allocate({ byteSize: 64, deviceId: 1 })
    const other = await loadGpuIdentity(server, 'other', {}, 1)
    fake.hold()
    const writing = far.write(0, Float32Array.from(floats))
    fake.lose(1, illegalAddress)
    fake.release()
    await expectFailure(() => writing, 'UNAVAILABLE')
    await until(() => lost.length > 0)
    await expectFailure(() => far.read(0, new Float32Array(4)), 'UNAVAILABLE')
    await expectFailure(() => CudaMemory.allocate({ byteSize: 64, deviceId: 1 }), 'UNAVAILABLE')
    await expectFailure(
      () => other.infer({ INPUT0: Float32Array.from(floats) }),
      'UNAVAILABLE',
      'device 1',
    )
    far.close()
    await memory.write(0, Float32Array.from(floats))
    await run()
    await expectFloats(target, floats)
    await cpu.infer({ INPUT0: Float32Array.from(floats) })
  })

  it('makes its models unready when a copy of ours finds it so', async () => {
    expect(await server.modelReady('gpu')).toBe(true)
    fake.lose(0, illegalAddress)
    await expectFailure(() => memory.read(0, new Float32Array(4)), 'UNAVAILABLE')
    await until(() => lost.length > 1)
    expect(lost).toEqual([1, 0])
    expect(await server.modelReady('gpu')).toBe(false)
    await expectFailure(() => run(), 'UNAVAILABLE', 'device 0')
    expect(await server.modelReady('cpu')).toBe(true)
    await cpu.infer({ INPUT0: Float32Array.from(floats) })
  })
})
