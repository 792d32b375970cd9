import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CudaMemory, createServer, Tensor } from '../../dist/esm/index.js'
import {
  devices,
  floatsOf,
  loadIdentity,
  memoryWith,
  needsTwo,
  numbers,
  refuses,
  serverOptions,
  withOwner,
} from './support.mjs'

let server
let gpu
let cpu

before(async () => {
  server = await createServer(serverOptions)
  gpu = await loadIdentity(server, 'gpu')
  cpu = await loadIdentity(server, 'cpu', null)
})
after(() => server.close())

/** What the model has copied between host and device so far. */
async function copies(model) {
  return (await model.statistics()).copy_stats
}

describe('a model on a GPU', () => {
  it('takes and gives arrays of the host', async () => {
    const before = await copies(gpu)
    for (const count of [1, 1000, 1 << 20]) {
      const { OUTPUT0 } = await gpu.infer({ INPUT0: numbers(count) })
      assert.deepEqual(OUTPUT0.data, numbers(count))
    }
    assert.ok((await copies(gpu)).count >= before.count + 6)
  })

  it('takes and gives device memory without the host', async () => {
    const memory = await memoryWith(numbers(1000), { byteSize: 8192 })
    const INPUT0 = memory.tensor('FP32', [1000])
    const OUTPUT0 = memory.tensor('FP32', [1000], { offset: 4096 })
    const before = await copies(gpu)
    for (let i = 0; i < 20; i++) await gpu.infer({ INPUT0 }, { outputs: { OUTPUT0 } })
    gpu.inferSync({ INPUT0 }, { outputs: { OUTPUT0 } })
    assert.deepEqual(await copies(gpu), before)
    assert.deepEqual(await floatsOf(memory, 1000, 4096), numbers(1000))
    memory.close()
  })

  it('leaves an output on the device', async () => {
    const { OUTPUT0 } = await gpu.infer({ INPUT0: numbers(4) }, { outputs: { OUTPUT0: 'device' } })
    assert.equal(OUTPUT0.deviceId, 0)
    const before = await copies(gpu)
    const second = await gpu.infer({ INPUT0: OUTPUT0 }, { outputs: { OUTPUT0: 'device' } })
    assert.deepEqual(await copies(gpu), before)
    assert.deepEqual((await second.OUTPUT0.read()).data, numbers(4))
    OUTPUT0.memory.close()
    second.OUTPUT0.memory.close()
  })

  it('serves many requests at once', async () => {
    const memory = CudaMemory.allocate({ byteSize: 64 * 4096 })
    const part = (i) => memory.tensor('FP32', [512], { offset: i * 4096 })
    const target = (i) => memory.tensor('FP32', [512], { offset: i * 4096 + 2048 })
    const all = Array.from({ length: 64 }, (_, i) => i)
    await Promise.all(all.map((i) => memory.write(i * 4096, numbers(512, i))))
    await Promise.all(
      all.map((i) => gpu.infer({ INPUT0: part(i) }, { outputs: { OUTPUT0: target(i) } })),
    )
    for (const i of all) {
      assert.deepEqual(await floatsOf(memory, 512, i * 4096 + 2048), numbers(512, i))
    }
    memory.close()
  })

  it('makes a batch of tensors that lie on the device and on the host', async () => {
    const batched = await loadIdentity(server, 'batched', 0, {
      maxBatchSize: 8,
      dynamicBatching: { maxQueueDelayMicroseconds: 1000 },
    })
    const memory = await memoryWith(numbers(32))
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => {
        const data = numbers(4, 4 * i + 1)
        const inside = memory.tensor('FP32', [1, 4], { offset: 16 * i })
        return batched.infer({ INPUT0: i % 2 === 0 ? inside : new Tensor('FP32', data, [1, 4]) })
      }),
    )
    for (const [i, { OUTPUT0 }] of answers.entries()) {
      assert.deepEqual(OUTPUT0.data, numbers(4, 4 * i + 1))
    }
    memory.close()
  })

  it('takes memory of another device, and gives it there', { skip: needsTwo }, async () => {
    const far = await memoryWith(numbers(1000), { byteSize: 8192, deviceId: 1 })
    const OUTPUT0 = far.tensor('FP32', [1000], { offset: 4096 })
    await gpu.infer({ INPUT0: far.tensor('FP32', [1000]) }, { outputs: { OUTPUT0 } })
    assert.deepEqual(await floatsOf(far, 1000, 4096), numbers(1000))
    far.close()
  })

  it('is not loaded for a device that is not there', async () => {
    await refuses(() => loadIdentity(server, 'nowhere', devices.length), 'INVALID_ARG')
    const { OUTPUT0 } = await gpu.infer({ INPUT0: numbers(4) })
    assert.deepEqual(OUTPUT0.data, numbers(4))
  })
})

describe('a model on the CPU', () => {
  it('takes and gives device memory all the same', async () => {
    const memory = await memoryWith(numbers(1000), { byteSize: 8192 })
    const OUTPUT0 = memory.tensor('FP32', [1000], { offset: 4096 })
    await cpu.infer({ INPUT0: memory.tensor('FP32', [1000]) }, { outputs: { OUTPUT0 } })
    assert.deepEqual(await floatsOf(memory, 1000, 4096), numbers(1000))
    memory.close()
  })
})

describe('a region', () => {
  it('of another process goes to a model and back, without the host', async () => {
    await withOwner(
      new Float32Array([...numbers(512), ...new Float32Array(512)]),
      async (rawHandle, ask) => {
        server.registerCudaSharedMemory('frames', { rawHandle, deviceId: 0, byteSize: 4096 })
        assert.deepEqual(server.cudaSharedMemoryStatus(), [
          { name: 'frames', deviceId: 0, byteSize: 4096 },
        ])
        const INPUT0 = server.regionTensor('frames', 'FP32', [512])
        const OUTPUT0 = server.regionTensor('frames', 'FP32', [512], { offset: 2048 })
        const before = await copies(gpu)
        await gpu.infer({ INPUT0 }, { outputs: { OUTPUT0 } })
        assert.deepEqual(await copies(gpu), before)
        assert.deepEqual((await ask()).subarray(512), numbers(512))
        server.unregisterCudaSharedMemory('frames')
        await refuses(() => gpu.infer({ INPUT0 }), 'NOT_FOUND')
      },
    )
  })

  it('that is closed while requests use it lasts to their end', async () => {
    const memory = await memoryWith(numbers(1 << 20))
    const INPUT0 = memory.tensor('FP32', [1 << 20])
    const answers = Array.from({ length: 8 }, () => gpu.infer({ INPUT0 }))
    memory.close()
    for (const { OUTPUT0 } of await Promise.all(answers)) {
      assert.deepEqual(OUTPUT0.data, numbers(1 << 20))
    }
  })
})

const inTree = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

describe('a backend with a kernel', () => {
  it('computes on the device', async (t) => {
    const own = await createServer({
      ...serverOptions,
      backendDirectory: join(
        dirname(process.env.TRIDENT_NATIVE_BINDING ?? inTree('build/Release/out/x')),
        'test_backends',
      ),
      modelRepository: inTree('examples/cuda/models'),
      modelControl: 'explicit',
    })
    try {
      const model = await own.loadModel('normalise').catch((error) => {
        if (error.code === 'UNSUPPORTED')
          t.skip(error.message) // no compiler, and it says which
        else throw error
      })
      if (model === undefined) return
      const data = Uint8Array.from({ length: 4 * 5 * 3 }, (_, i) => i)
      const { planes } = await model.infer({ image: new Tensor('UINT8', data, [1, 4, 5, 3]) })
      const mean = [0.485, 0.456, 0.406]
      const deviation = [0.229, 0.224, 0.225]
      for (const [i, byte] of data.entries()) {
        const colour = i % 3
        const expected = (byte / 255 - mean[colour]) / deviation[colour]
        const found = planes.data[colour * 20 + Math.floor(i / 3)]
        assert.ok(Math.abs(found - expected) < 1e-5, `${found} instead of ${expected}`)
      }
    } finally {
      await own.close()
    }
  })
})
