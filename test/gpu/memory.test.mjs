import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { CudaMemory, cudaReport } from '../../dist/esm/index.js'
import { devices, floatsOf, memoryWith, needsTwo, numbers, refuses, withOwner } from './support.mjs'

describe('the driver', () => {
  it('describes its devices', () => {
    const report = cudaReport()
    assert.equal(report.problem, null)
    assert.match(report.version, /^\d+\.\d+$/)
    for (const [i, device] of devices.entries()) {
      assert.equal(device.id, i)
      assert.notEqual(device.name, '')
      assert.match(device.uuid, /^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.match(device.computeCapability, /^\d+\.\d+$/)
      assert.ok(device.memoryBytes > 0)
    }
  })
})

describe('device memory', () => {
  it('keeps bytes of any size and place', async () => {
    for (const byteSize of [1, 3, 4096, 4097, 1 << 20, (16 << 20) + 5]) {
      const bytes = randomBytes(byteSize)
      const memory = CudaMemory.allocate({ byteSize: byteSize + 7 })
      await memory.write(7, bytes)
      const found = new Uint8Array(byteSize)
      await memory.read(7, found)
      assert.ok(Buffer.from(found.buffer).equals(bytes), `${byteSize} bytes`)
      memory.close()
    }
  })

  it('takes what an array held when it was written', async () => {
    const memory = CudaMemory.allocate({ byteSize: 16 })
    const array = numbers(4)
    const written = memory.write(0, array)
    array.fill(0)
    await written
    assert.deepEqual(await floatsOf(memory, 4), numbers(4))
    memory.close()
  })

  it('makes copies in the order of the calls', async () => {
    const memory = CudaMemory.allocate({ byteSize: 4096 })
    const copies = []
    for (let i = 0; i < 100; i++) copies.push(memory.write(0, numbers(1024, i)))
    const found = new Float32Array(1024)
    copies.push(memory.read(0, found))
    await Promise.all(copies)
    assert.deepEqual(found, numbers(1024, 99))
    memory.close()
  })

  it('is copied beside itself', async () => {
    const from = await memoryWith(numbers(1000))
    const to = CudaMemory.allocate({ byteSize: 4000 })
    await to.copyFrom(from)
    assert.deepEqual(await floatsOf(to, 1000), numbers(1000))
    await to.copyFrom(from, { offset: 8, sourceOffset: 4, byteSize: 4 })
    assert.deepEqual([...(await floatsOf(to, 4))], [1, 2, 2, 4])
    from.close()
    to.close()
  })

  it('is copied to another device and back', { skip: needsTwo }, async () => {
    const here = await memoryWith(numbers(100_000))
    const there = CudaMemory.allocate({ byteSize: 400_000, deviceId: 1 })
    await there.copyFrom(here)
    await here.write(0, new Float32Array(100_000))
    await here.copyFrom(there)
    assert.deepEqual(await floatsOf(here, 100_000), numbers(100_000))
    here.close()
    there.close()
  })

  it('is more than there is for whoever asks for too much', async () => {
    const [{ memoryBytes }] = devices
    await refuses(() => CudaMemory.allocate({ byteSize: memoryBytes + 1 }), 'UNAVAILABLE')
    CudaMemory.allocate({ byteSize: 4096 }).close()
  })

  it('has ends', async () => {
    const memory = await memoryWith(numbers(16))
    const four = new Float32Array(4)
    for (const offset of [49, 64, 65, Number.MAX_SAFE_INTEGER]) {
      await refuses(() => memory.write(offset, four), 'INVALID_ARG')
      await refuses(() => memory.read(offset, four), 'INVALID_ARG')
    }
    assert.deepEqual(await floatsOf(memory, 16), numbers(16))
    memory.close()
  })

  it('is not used when it is closed', async () => {
    const memory = await memoryWith(numbers(4))
    memory.close()
    memory.close()
    await refuses(() => memory.read(0, new Float32Array(4)), 'UNAVAILABLE')
    await refuses(() => memory.ipcHandle, 'UNAVAILABLE')
  })
})

describe('pointers', () => {
  it('of other addons are read and written in place', async () => {
    const memory = await memoryWith(numbers(16))
    const tensor = memory.tensor('FP32', [4], { offset: 16 })
    const same = CudaMemory.fromExchange(tensor.exchange())
    assert.deepEqual([...(await same.read()).data], [5, 6, 7, 8])
    const raw = CudaMemory.fromPointer({
      pointer: memory.pointer + 4n,
      deviceId: 0,
      byteSize: 60,
    })
    await raw.write(0, Float32Array.of(-1))
    assert.deepEqual([...(await floatsOf(memory, 3))], [1, -1, 3])
    memory.close()
  })

  it('that are no memory of the device are refused', async () => {
    const memory = CudaMemory.allocate({ byteSize: 1 << 21 })
    const { pointer } = memory
    const fromPointer = (options) => () => CudaMemory.fromPointer({ deviceId: 0, ...options })
    await refuses(fromPointer({ pointer, byteSize: (1 << 21) + 1 }), 'INVALID_ARG')
    await refuses(fromPointer({ pointer: pointer + 1n, byteSize: 1 << 21 }), 'INVALID_ARG')
    await refuses(fromPointer({ pointer: 4096n, byteSize: 1 }), 'INVALID_ARG')
    await refuses(fromPointer({ pointer: 2n ** 64n - 1n, byteSize: 1 }), 'INVALID_ARG')
    await refuses(
      () => CudaMemory.fromPointer({ pointer, deviceId: devices.length, byteSize: 1 }),
      'INVALID_ARG',
    )
    memory.close()
  })

  it('of another device are refused', { skip: needsTwo }, async () => {
    const memory = CudaMemory.allocate({ byteSize: 64, deviceId: 1 })
    const { pointer } = memory
    await refuses(
      () => CudaMemory.fromPointer({ pointer, deviceId: 0, byteSize: 64 }),
      'INVALID_ARG',
    )
    memory.close()
  })
})

describe('handles', () => {
  it('let two processes use the same memory', async () => {
    await withOwner(numbers(1024), async (rawHandle, ask) => {
      const memory = CudaMemory.open({ rawHandle })
      assert.ok(memory.byteSize >= 4096)
      assert.deepEqual(await floatsOf(memory, 1024), numbers(1024))
      await memory.write(8, Float32Array.of(-3))
      assert.deepEqual([...(await ask()).subarray(0, 4)], [1, 2, -3, 4])
      const part = CudaMemory.open({ rawHandle, offset: 8, byteSize: 8 })
      assert.deepEqual([...(await floatsOf(part, 2))], [-3, 4])
      memory.close()
      assert.deepEqual([...(await floatsOf(part, 2))], [-3, 4])
      part.close()
    })
  })

  it('of this process mean the memory itself', async () => {
    const memory = await memoryWith(numbers(4))
    const same = CudaMemory.open({ rawHandle: memory.ipcHandle })
    assert.equal(same.pointer, memory.pointer)
    memory.close()
    assert.deepEqual(await floatsOf(same, 4), numbers(4))
    same.close()
  })

  it('that nobody gave are refused', async () => {
    await refuses(() => CudaMemory.open({ rawHandle: new Uint8Array(64) }), 'INVALID_ARG')
    await refuses(() => CudaMemory.open({ rawHandle: randomBytes(64) }), 'INVALID_ARG')
    await refuses(() => CudaMemory.open({ rawHandle: randomBytes(63) }), 'INVALID_ARG')
  })

  it('end with their owner', async () => {
    let handle = ''
    await withOwner(numbers(4), async (rawHandle) => {
      handle = rawHandle
    })
    await refuses(() => CudaMemory.open({ rawHandle: handle }), 'INVALID_ARG')
  })
})
