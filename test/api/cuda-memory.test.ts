import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { expectFloats, floatsIn, untilLeft } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { transferAway } from './support/transfer.js'
import { CudaMemory, cudaReport } from './support/trident.js'

const memoryBytes = 2 ** 26
const fake = useFakeCuda({ devices: 2, memoryBytes })
const huge = Number.MAX_SAFE_INTEGER

beforeEach(() => untilLeft(fake, 'device'))
afterAll(async () => {
  await untilLeft(fake, 'device')
  expect(fake.calls('opened')).toBe(0)
  expect(fake.violations()).toBe(0)
})

describe('the report', () => {
  it('tells the driver and its devices', () => {
    const { library, version, problem, devices } = cudaReport()
    expect(library).toBe(fake.env.TRIDENT_CUDA_LIBRARY)
    expect(version).toMatch(/^\d+\.\d+$/)
    expect(problem).toBe(null)
    expect(devices.map(({ id }) => id)).toEqual([0, 1])
    for (const device of devices) {
      expect(device).toMatchObject({ computeCapability: '9.0', memoryBytes })
      expect(device.uuid).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(String(cudaReport())).toContain(`device ${device.id}: ${device.name}, compute 9.0`)
    }
  })
})

describe('memory', () => {
  it('is written and read, by arrays of any kind, at any offset', async () => {
    using memory = CudaMemory.allocate({ byteSize: 1000, deviceId: 1 })
    expect(memory).toMatchObject({ deviceId: 1, byteSize: 1000 })
    expect(memory.pointer).toBeTypeOf('bigint')
    expect(fake.calls('device')).toBe(1)
    const shared = new Uint8Array(new SharedArrayBuffer(4))
    shared.set([6, 7, 8, 9])
    await memory.write(0, new Uint8Array(1000))
    await memory.write(3, Uint8Array.of(1, 2, 3))
    await memory.write(104, Float64Array.of(1.5))
    await memory.write(200, new DataView(Uint8Array.of(4, 5).buffer, 1))
    await memory.write(300, shared)
    await memory.write(996, BigInt64Array.of(1n).subarray(0, 0))
    const bytes = new Uint8Array(1000)
    await memory.read(0, bytes)
    expect([...bytes.subarray(2, 7)]).toEqual([0, 1, 2, 3, 0])
    expect(new Float64Array(bytes.buffer, 104, 1)[0]).toBe(1.5)
    expect([...bytes.subarray(200, 202)]).toEqual([5, 0])
    const double = new Float64Array(1)
    await memory.read(104, double)
    expect(double[0]).toBe(1.5)
    const back = new Uint8Array(new SharedArrayBuffer(6), 1, 4)
    await memory.read(300, back)
    expect([...back]).toEqual([6, 7, 8, 9])
  })

  it('takes an array at once, and keeps the event loop free', async () => {
    using memory = CudaMemory.allocate({ byteSize: 16 })
    const array = Float32Array.of(1, 2, 3, 4)
    fake.hold()
    let written = false
    const writing = memory.write(0, array).then(() => {
      written = true
    })
    array.fill(9)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(written).toBe(false)
    fake.release()
    await writing
    await expectFloats(memory, [1, 2, 3, 4])
  })

  it('is copied in the order of the calls', async () => {
    using memory = CudaMemory.allocate({ byteSize: 16 })
    using other = CudaMemory.allocate({ byteSize: 16 })
    const found = new Float32Array(4)
    fake.hold()
    const copies = [
      memory.write(0, Float32Array.of(1, 1, 1, 1)),
      memory.write(4, Float32Array.of(2, 2)),
      other.copyFrom(memory),
      memory.write(0, new Float32Array(4)),
      other.write(12, Float32Array.of(3)),
      other.read(0, found),
    ]
    fake.release()
    await Promise.all(copies)
    expect([...found]).toEqual([1, 2, 2, 3])
    await expectFloats(memory, [0, 0, 0, 0])
  })

  it('is copied in the order of the calls from one device to another, too', async () => {
    using near = CudaMemory.allocate({ byteSize: 16 })
    using far = CudaMemory.allocate({ byteSize: 16, deviceId: 1 })
    const found = new Float32Array(4)
    for (let i = 1; i <= 10; i++) {
      fake.hold()
      const copies = [
        near.write(0, Float32Array.of(i, i, i, i)),
        far.copyFrom(near),
        near.write(0, new Float32Array(4)),
        far.write(12, Float32Array.of(-i)),
        near.copyFrom(far),
        far.write(0, new Float32Array(4)),
        near.read(0, found),
      ]
      fake.release()
      await Promise.all(copies)
      expect([...found]).toEqual([i, i, i, -i])
    }
  })

  it('is copied within a device and to another, without the host', async () => {
    using memory = CudaMemory.allocate({ byteSize: 32 })
    using near = CudaMemory.allocate({ byteSize: 32 })
    using far = CudaMemory.allocate({ byteSize: 64, deviceId: 1 })
    await memory.write(0, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    const before = [fake.calls('cuMemcpyHtoDAsync_v2'), fake.calls('cuMemcpyDtoHAsync_v2')]
    await near.copyFrom(memory)
    await far.copyFrom(near, { offset: 8, sourceOffset: 4, byteSize: 12 })
    await near.copyFrom(near, { offset: 0, sourceOffset: 16 })
    const after = [fake.calls('cuMemcpyHtoDAsync_v2'), fake.calls('cuMemcpyDtoHAsync_v2')]
    expect(after).toEqual(before)
    await expectFloats(far, [2, 3, 4], 8)
    await expectFloats(near, [5, 6, 7, 8, 5, 6, 7, 8])
    await expectFailure(
      () => near.copyFrom(near, { offset: 4, byteSize: 8 }),
      'INVALID_ARG',
      'overlap',
    )
  })

  it('ends where it ends, by overflow too', async () => {
    using memory = CudaMemory.allocate({ byteSize: 100 })
    using other = CudaMemory.allocate({ byteSize: 100 })
    const calls: (() => unknown)[] = [
      () => memory.write(98, new Uint8Array(3)),
      () => memory.write(101, new Uint8Array(0)),
      () => memory.write(huge, new Uint8Array(1)),
      () => memory.read(98, new Uint8Array(3)),
      () => memory.read(huge, new Uint8Array(1)),
      () => memory.copyFrom(other, { offset: 1 }),
      () => memory.copyFrom(other, { sourceOffset: 101 }),
      () => memory.copyFrom(other, { byteSize: 101 }),
      () => memory.copyFrom(other, { offset: huge, byteSize: huge }),
      () => memory.tensor('FP32', [26]),
      () => memory.tensor('FP32', [1], { offset: 97 }),
      () => memory.tensor('UINT8', [1], { offset: huge - 1 }),
      () => memory.tensor('BYTES', [1], { offset: 99, byteSize: 2 }),
      () => CudaMemory.open({ rawHandle: memory.ipcHandle, byteSize: 101 }),
      () => CudaMemory.open({ rawHandle: memory.ipcHandle, byteSize: 0 }),
      () => CudaMemory.fromPointer({ pointer: memory.pointer, deviceId: 0, byteSize: 0 }),
      () => CudaMemory.open({ rawHandle: memory.ipcHandle, offset: 101 }),
      () => CudaMemory.open({ rawHandle: memory.ipcHandle, offset: 1, byteSize: huge }),
      () => CudaMemory.fromPointer({ pointer: memory.pointer, deviceId: 0, byteSize: huge }),
      () => CudaMemory.fromPointer({ pointer: memory.pointer + 99n, deviceId: 0, byteSize: 2 }),
      () => CudaMemory.fromPointer({ pointer: 2n ** 64n - 1n, deviceId: 0, byteSize: 2 }),
    ]
    for (const call of calls) await expectFailure(call, 'INVALID_ARG')
    await memory.write(100, new Uint8Array(0))
    await memory.read(100, new Uint8Array(0))
  })

  it('refuses what it can not be', async () => {
    await expectFailure(() => CudaMemory.allocate({ byteSize: 0 }), 'INVALID_ARG')
    await expectFailure(() => CudaMemory.allocate({ byteSize: 1, deviceId: 2 }), 'INVALID_ARG', '2')
    await expectFailure(() => CudaMemory.allocate({ byteSize: 1, deviceId: huge }), 'INVALID_ARG')
    await expectFailure(() => CudaMemory.allocate({ byteSize: memoryBytes + 1 }), 'UNAVAILABLE')
    await expectFailure(() => CudaMemory.allocate({ byteSize: huge }), 'UNAVAILABLE')
    expect(() => CudaMemory.allocate(undefined as never)).toThrow(TypeError)
    expect(() => CudaMemory.allocate({} as never)).toThrow(TypeError)
    expect(() => CudaMemory.allocate({ byteSize: 1.5 })).toThrow(RangeError)
    expect(() => CudaMemory.allocate({ byteSize: 1, deviceId: -1 })).toThrow(RangeError)
    expect(() => CudaMemory.allocate({ byteSize: 1, device: 1 } as never)).toThrow(/'deviceId'/)
    using memory = CudaMemory.allocate({ byteSize: 8 })
    await expect(memory.write(0, [1] as never)).rejects.toThrow(TypeError)
    await expect(memory.write('0' as never, new Uint8Array(1))).rejects.toThrow(TypeError)
    await expect(memory.read(-1, new Uint8Array(1))).rejects.toThrow(RangeError)
    await expect(memory.copyFrom({} as never)).rejects.toThrow(TypeError)
    await expect(memory.copyFrom(memory, { ofset: 1 } as never)).rejects.toThrow(/'offset'/)
    expect(() => memory.tensor('FP32', [-1])).toThrow(RangeError)
    expect(() => memory.tensor('FLOAT' as never, [1])).toThrow(TypeError)
  })

  it('refuses arrays that were transferred away, also meanwhile', async () => {
    using memory = CudaMemory.allocate({ byteSize: 8 })
    const gone = new Uint8Array(8)
    transferAway(gone)
    await expectFailure(() => memory.write(0, gone), 'INVALID_ARG', 'detached')
    await expectFailure(() => memory.read(0, gone), 'INVALID_ARG', 'detached')
    const target = new Uint8Array(8)
    fake.hold()
    const reading = memory.read(0, target)
    transferAway(target)
    fake.release()
    await expectFailure(() => reading, 'INVALID_ARG')
  })
})

describe('close', () => {
  it('ends all use, once', async () => {
    const memory = CudaMemory.allocate({ byteSize: 64 })
    using other = CudaMemory.allocate({ byteSize: 64 })
    const tensor = memory.tensor('FP32', [4])
    memory.close()
    memory.close()
    await untilLeft(fake, 'device', 1)
    const calls: (() => unknown)[] = [
      () => memory.pointer,
      () => memory.ipcHandle,
      () => memory.tensor('FP32', [1]),
      () => memory.write(0, new Uint8Array(1)),
      () => memory.read(0, new Uint8Array(1)),
      () => memory.copyFrom(other),
      () => other.copyFrom(memory),
      () => tensor.read(),
      () => tensor.exchange(),
    ]
    for (const call of calls) await expectFailure(call, 'UNAVAILABLE', 'closed')
    await other.read(0, new Uint8Array(1))
  })

  it('waits for copies under way', async () => {
    const memory = CudaMemory.allocate({ byteSize: 16 })
    const found = new Float32Array(4)
    fake.hold()
    const copies = [memory.write(0, Float32Array.of(1, 2, 3, 4)), memory.read(0, found)]
    memory.close()
    expect(fake.calls('device')).toBe(1)
    fake.release()
    await Promise.all(copies)
    expect([...found]).toEqual([1, 2, 3, 4])
    await untilLeft(fake, 'device')
  })
})

describe('handles and pointers', () => {
  it('of this process are the memory itself', async () => {
    using memory = CudaMemory.allocate({ byteSize: 64 })
    expect(memory.ipcHandle).toHaveLength(64)
    expect(Buffer.isBuffer(memory.ipcHandle)).toBe(true)
    const rawHandle = memory.ipcHandle.toString('base64')
    using same = CudaMemory.open({ rawHandle })
    using part = CudaMemory.open({ rawHandle, offset: 16, byteSize: 16 })
    using pointed = CudaMemory.fromPointer({
      pointer: memory.pointer + 16n,
      deviceId: 0,
      byteSize: 48,
    })
    expect(same).toMatchObject({ byteSize: 64, pointer: memory.pointer })
    expect(part).toMatchObject({ byteSize: 16, pointer: memory.pointer + 16n })
    expect(fake.calls('opened')).toBe(0)
    await pointed.write(0, Float32Array.of(1, 2, 3, 4))
    expect(await floatsIn(part, 4)).toEqual([1, 2, 3, 4])
  })

  it('keep memory of this process that was closed', async () => {
    const memory = CudaMemory.allocate({ byteSize: 16 })
    await memory.write(0, Float32Array.of(1, 2, 3, 4))
    const rawHandle = memory.ipcHandle
    const same = CudaMemory.open({ rawHandle })
    memory.close()
    await expectFloats(same, [1, 2, 3, 4])
    same.close()
    await untilLeft(fake, 'device')
    await expectFailure(() => CudaMemory.open({ rawHandle }), 'INVALID_ARG')
  })

  it('are refused when they are not what they should be', async () => {
    using memory = CudaMemory.allocate({ byteSize: 64 })
    const { ipcHandle, pointer } = memory
    const handles: unknown[] = [
      new Uint8Array(0),
      new Uint8Array(63),
      new Uint8Array(65),
      new Uint8Array(64),
      Buffer.alloc(64, 0xa5),
      '',
      'not base64',
      ipcHandle.toString('base64').slice(0, -1),
      ipcHandle.toString('hex'),
      Buffer.alloc(63).toString('base64'),
    ]
    for (const rawHandle of handles) {
      await expectFailure(() => CudaMemory.open({ rawHandle: rawHandle as never }), 'INVALID_ARG')
    }
    for (const rawHandle of [undefined, 5, [], new Float32Array(16), new ArrayBuffer(64)]) {
      expect(() => CudaMemory.open({ rawHandle: rawHandle as never })).toThrow(TypeError)
    }
    await expectFailure(() => CudaMemory.open({ rawHandle: ipcHandle, deviceId: 1 }), 'INVALID_ARG')
    await expectFailure(() => CudaMemory.open({ rawHandle: ipcHandle, deviceId: 9 }), 'INVALID_ARG')
    const at = (address: unknown, deviceId = 0) =>
      CudaMemory.fromPointer({ pointer: address as bigint, deviceId, byteSize: 8 })
    await expectFailure(() => at(pointer, 1), 'INVALID_ARG') // of the other device
    await expectFailure(() => at(pointer, 7), 'INVALID_ARG')
    await expectFailure(() => at(4096n), 'INVALID_ARG') // of the host
    expect(() => at(Number(pointer))).toThrow(TypeError)
    expect(() => at(0n)).toThrow(RangeError)
    expect(() => at(-1n)).toThrow(RangeError)
    expect(() => at(2n ** 64n)).toThrow(RangeError)
    using freed = CudaMemory.allocate({ byteSize: 64 })
    const stale = freed.pointer
    freed.close()
    await expectFailure(() => at(stale), 'INVALID_ARG')
  })
})
