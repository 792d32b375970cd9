// Memory of other addons, in and out; and what copies, threads and collectors make of it.
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { expectFloats, hostCopies, loadGpuIdentity, untilLeft } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import {
  CudaMemory,
  cjsEntry,
  createServer,
  esmEntry,
  type Model,
  type Server,
} from './support/trident.js'

const fake = useFakeCuda({ devices: 2 })
const other = createRequire(import.meta.url)(cjsEntry) as typeof import('./support/trident.js')
const floats = [1, 2, 3, 4, 5, 6]

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer()
  model = await loadGpuIdentity(server, 'identity', { dims: [-1, -1] })
})
afterAll(async () => {
  await server.close()
  expect(fake.violations()).toBe(0)
})

describe('an exchange object', () => {
  it('describes a tensor where it lies', async () => {
    using memory = CudaMemory.allocate({ byteSize: 64, deviceId: 1 })
    const tensor = memory.tensor('FP32', [2, 3], { offset: 8 })
    const exchange = tensor.exchange()
    expect(exchange).toEqual({
      deviceType: 2,
      deviceId: 1,
      data: memory.pointer + 8n,
      shape: [2, 3],
      strides: null,
      datatype: 'FP32',
    })
    await memory.write(8, Float32Array.from(floats))
    const again = CudaMemory.fromExchange(exchange)
    expect(again).toMatchObject({ datatype: 'FP32', shape: [2, 3], byteSize: 24, deviceId: 1 })
    expect([...(await again.read()).data]).toEqual(floats)
    await memory.write(8, Float32Array.of(9))
    expect((await again.read()).data[0]).toBe(9)
  })

  it('is used by requests in place', async () => {
    using memory = CudaMemory.allocate({ byteSize: 64 })
    await memory.write(0, Float32Array.from(floats))
    const foreign = { deviceType: 2, deviceId: 0, strides: [3, 1], shape: [2, 3], owner: memory }
    const INPUT0 = CudaMemory.fromExchange({ ...foreign, data: memory.pointer, datatype: 'FP32' })
    const OUTPUT0 = CudaMemory.fromExchange({
      ...foreign,
      data: memory.pointer + 32n,
      datatype: 'FP32',
    })
    const before = hostCopies(fake)
    await model.infer({ INPUT0 }, { outputs: { OUTPUT0 } })
    expect(hostCopies(fake)).toBe(before)
    await expectFloats(memory, floats, 32)
    INPUT0.memory.close()
    await expectFailure(() => model.infer({ INPUT0 }), 'UNAVAILABLE', 'closed')
    await expectFloats(memory, floats) // it is still its owner's
  })

  it('may have any strides where they mean nothing', () => {
    using memory = CudaMemory.allocate({ byteSize: 64 })
    const exchange = memory.tensor('INT8', [1, 4, 1]).exchange()
    for (const strides of [null, undefined, [4, 1, 1], [99, 1, -7]]) {
      const { shape } = CudaMemory.fromExchange({ ...exchange, strides: strides as never })
      expect(shape).toEqual([1, 4, 1])
    }
  })

  it('is refused when its tensor can not be used', async () => {
    using memory = CudaMemory.allocate({ byteSize: 64 })
    const good = memory.tensor('FP32', [4, 4]).exchange()
    const from = (change: object) => () =>
      CudaMemory.fromExchange({ ...good, ...change } as typeof good)
    for (const strides of [[1, 4], [8, 1], [0, 0], [1], [], [4, 1, 1], [-4, -1]]) {
      await expectFailure(from({ strides }), 'INVALID_ARG', 'row-major')
    }
    for (const deviceType of [1, 3, 13, 0]) {
      await expectFailure(from({ deviceType }), 'INVALID_ARG', `got ${deviceType}`)
    }
    await expectFailure(from({ deviceId: 1 }), 'INVALID_ARG')
    await expectFailure(from({ deviceId: 8 }), 'INVALID_ARG')
    await expectFailure(from({ data: 4096n }), 'INVALID_ARG')
    await expectFailure(from({ data: good.data + 4n }), 'INVALID_ARG')
    await expectFailure(from({ shape: [4, 5] }), 'INVALID_ARG')
    await expectFailure(from({ shape: [0, 4] }), 'INVALID_ARG', 'no memory')
    await expectFailure(from({ shape: [2 ** 51, 1] }), 'INVALID_ARG')
    await expectFailure(from({ datatype: 'BYTES' }), 'INVALID_ARG', 'BYTES')
    const wrong = [
      { deviceType: '2' },
      { deviceType: undefined },
      { deviceId: undefined },
      { data: Number(good.data) },
      { shape: 16 },
      { strides: 4 },
      { strides: [4n, 1n] },
      { datatype: 'float32' },
    ]
    for (const change of wrong) expect(from(change)).toThrow(TypeError)
    expect(() => CudaMemory.fromExchange(null as never)).toThrow(TypeError)
    expect(from({ data: 0n })).toThrow(RangeError)
    expect(from({ shape: [-1] })).toThrow(RangeError)
    await expectFailure(
      () => memory.tensor('BYTES', [1], { byteSize: 8 }).exchange(),
      'INVALID_ARG',
      'BYTES',
    )
  })
})

describe('two copies of the package', () => {
  it('exchange tensors, and refuse what belongs to the other', async () => {
    using memory = other.CudaMemory.allocate({ byteSize: 24 })
    await memory.write(0, Float32Array.from(floats))
    const tensor = memory.tensor('FP32', [2, 3])
    await expect(model.infer({ INPUT0: tensor as never })).rejects.toThrow(/another copy/)
    using mine = CudaMemory.allocate({ byteSize: 24 })
    await expect(mine.copyFrom(memory as never)).rejects.toThrow(TypeError)
    const INPUT0 = CudaMemory.fromExchange(tensor.exchange())
    const { OUTPUT0 } = await model.infer({ INPUT0 })
    expect([...(OUTPUT0!.data as Float32Array)]).toEqual(floats)
    using opened = CudaMemory.open({ rawHandle: memory.ipcHandle })
    expect(opened.pointer).toBe(memory.pointer)
  })
})

describe('worker threads', () => {
  it('use the same memory, and leave nothing behind', async () => {
    using memory = CudaMemory.allocate({ byteSize: 24 })
    await memory.write(0, Float32Array.from(floats))
    const devices = fake.calls('device')
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
      import(${JSON.stringify(esmEntry)}).then(async ({ CudaMemory }) => {
        const opened = CudaMemory.open({ rawHandle: workerData })
        const own = CudaMemory.allocate({ byteSize: 12 })
        await own.copyFrom(opened, { sourceOffset: 12 })
        await opened.copyFrom(own)
        own.write(0, new Float32Array(3)) // not waited for
        parentPort.postMessage(opened.pointer)
        setInterval(() => [opened, own], 1000)
      })`,
      { eval: true, workerData: memory.ipcHandle },
    )
    const pointer = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(pointer).toBe(memory.pointer)
    await expectFloats(memory, [4, 5, 6, 4, 5, 6])
    await worker.terminate()
    await untilLeft(fake, 'device', devices)
  })
})

describe('memory that is forgotten', () => {
  it('is given back by the collector, which says so', async () => {
    const { code, stdout, stderr } = await runChild(
      `
      import { setImmediate as turn } from 'node:timers/promises'
      import { CudaMemory } from 'trident'
      const memory = CudaMemory.allocate({ byteSize: 4096 })
      const free = () => CudaMemory.allocate({ byteSize: 2 ** 20 - 4096 }).close()
      let warnings = 0
      process.on('warning', ({ message }) => {
        warnings++
        console.log(message)
      })
      CudaMemory.allocate({ byteSize: 8192 })
      CudaMemory.fromPointer({ pointer: memory.pointer, deviceId: 0, byteSize: 8 })
      for (;;) {
        globalThis.gc()
        await turn()
        if (warnings > 0) break
      }
      free() // it fits again
      memory.close()`,
      { env: { ...fake.env, FAKE_CUDA_MEMORY_BYTES: String(2 ** 20) }, nodeArgs: ['--expose-gc'] },
    )
    expect(stderr).toMatch(/TridentWarning/)
    expect(stdout).toBe(
      'CUDA memory of 8192 bytes on device 0 was garbage-collected without close()\n',
    )
    expect(code).toBe(0)
  })

  it('is not collected while an exchange object is held', async () => {
    const { code, stderr } = await runChild(
      `
      import { setImmediate as turn } from 'node:timers/promises'
      import { CudaMemory } from 'trident'
      const make = () => CudaMemory.allocate({ byteSize: 8 }).tensor('INT8', [8]).exchange()
      const collected = new Set()
      const registry = new FinalizationRegistry((name) => collected.add(name))
      const exchange = make()
      const tensor = CudaMemory.fromExchange(make()) // holds the exchange, which holds the memory
      registry.register({}, 'other')
      while (!collected.has('other')) {
        globalThis.gc()
        await turn()
      }
      const again = CudaMemory.fromExchange(exchange)
      await again.read()
      await tensor.read()
      process.exit()`,
      { env: fake.env, nodeArgs: ['--expose-gc'] },
    )
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })
})
