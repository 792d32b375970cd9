import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectFloats, hostCopies, loadGpuIdentity, until, untilLeft } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { loadIdentity } from './support/identity.js'
import { CudaMemory, createServer, type Model, type Server, Tensor } from './support/trident.js'

const fake = useFakeCuda({ devices: 2 })
const floats = [1, 2, 3, 4]

let server: Server
let gpu: Model

beforeAll(async () => {
  server = await createServer()
  gpu = await loadGpuIdentity(server, 'gpu')
})
afterAll(async () => {
  await server.close()
  expect(fake.violations()).toBe(0)
})

async function withFloats(byteSize = 256, deviceId = 0): Promise<CudaMemory> {
  const memory = CudaMemory.allocate({ byteSize, deviceId })
  await memory.write(0, Float32Array.from(floats))
  return memory
}

describe('prepared requests', () => {
  it('stay in memory of a GPU, run after run', async () => {
    using memory = await withFloats()
    const target = memory.tensor('FP32', [4], { offset: 64 })
    using run = gpu.prepare({
      inputs: { INPUT0: memory.tensor('FP32', [4]) },
      outputs: { OUTPUT0: target },
    })
    for (let i = 0; i < 4; i++) {
      await memory.write(0, Float32Array.of(i, i, i, i))
      const before = hostCopies(fake)
      expect(i % 2 ? run.sync() : await run.async()).toBe(run.outputs)
      expect(hostCopies(fake)).toBe(before)
      await expectFloats(memory, [i, i, i, i], 64)
    }
  })

  it("have new memory in every run for what goes to 'device'", async () => {
    const two = await loadGpuIdentity(server, 'two-prepared', { tensors: 2 })
    using memory = await withFloats()
    const INPUT = memory.tensor('FP32', [4])
    const target = memory.tensor('FP32', [4], { offset: 64 })
    using run = two.prepare({
      inputs: { INPUT0: INPUT, INPUT1: INPUT },
      outputs: { OUTPUT0: 'device', OUTPUT1: target },
    })
    expect(Object.keys(run.outputs)).toEqual(['OUTPUT1'])
    // @ts-expect-error: in the results of the runs only
    expect(run.outputs.OUTPUT0).toBeUndefined()
    const results = [run.sync(), await run.async(), run.sync()]
    const memories = results.map(({ OUTPUT0 }) => OUTPUT0.memory)
    expect(new Set(memories.map(({ pointer }) => pointer)).size).toBe(3)
    for (const { OUTPUT1 } of results) expect(OUTPUT1).toBe(target)
    for (const own of memories) {
      await expectFloats(own, floats)
      own.close()
    }
  })
})

describe("outputs to 'device'", () => {
  it('stay on the GPU that makes them', async () => {
    const far = await loadGpuIdentity(server, 'far', {}, 1)
    using memory = await withFloats(16, 1)
    const before = hostCopies(fake)
    const { OUTPUT0 } = await far.infer(
      { INPUT0: memory.tensor('FP32', [4]) },
      { outputs: { OUTPUT0: 'device' } },
    )
    expect(hostCopies(fake)).toBe(before)
    expect(OUTPUT0).toMatchObject({ datatype: 'FP32', shape: [4], byteSize: 16, deviceId: 1 })
    expect([...((await OUTPUT0.read()).data as Float32Array)]).toEqual(floats)
    const again = far.inferSync({ INPUT0: OUTPUT0 }, { outputs: { OUTPUT0: 'device' } }).OUTPUT0
    expect(again.memory.pointer).not.toBe(OUTPUT0.memory.pointer)
    expect([...((await again.read()).data as Float32Array)]).toEqual(floats)
    OUTPUT0.memory.close()
    await expectFailure(() => OUTPUT0.read(), 'UNAVAILABLE', 'closed')
    again.memory.close()
  })

  it('of streams do, too', async () => {
    using memory = await withFloats(16)
    const before = hostCopies(fake)
    const parts = []
    for await (const { OUTPUT0 } of gpu.stream(
      { INPUT0: memory.tensor('FP32', [4]) },
      { outputs: { OUTPUT0: 'device' } },
    )) {
      parts.push(OUTPUT0)
    }
    expect(hostCopies(fake)).toBe(before)
    expect(parts).toHaveLength(1)
    await expectFloats(parts[0]!.memory, floats)
    parts[0]!.memory.close()
    expect(() =>
      gpu.stream({ INPUT0: new Float32Array(4) }, { outputs: { OUTPUT0: memory } as never }),
    ).toThrow(/'device'/)
  })

  it('of no elements are tensors, too', async () => {
    const any = await loadGpuIdentity(server, 'any', { dims: [-1] })
    const INPUT0 = new Tensor('FP32', new Float32Array(0), [0])
    const { OUTPUT0 } = await any.infer({ INPUT0 }, { outputs: { OUTPUT0: 'device' } })
    expect(OUTPUT0).toMatchObject({ shape: [0], byteSize: 0, deviceId: 0 })
    expect((await OUTPUT0.read()).data).toEqual(new Float32Array(0))
    OUTPUT0.memory.close()
  })

  it('need not be allocated in a steady load', async () => {
    using memory = await withFloats(16)
    const INPUT0 = memory.tensor('FP32', [4])
    const once = async () => {
      const { OUTPUT0 } = await gpu.infer({ INPUT0 }, { outputs: { OUTPUT0: 'device' } })
      OUTPUT0.memory.close()
    }
    await once()
    const before = fake.calls('cuMemAlloc_v2')
    for (let i = 0; i < 20; i++) await once()
    expect(fake.calls('cuMemAlloc_v2')).toBe(before)
  })

  it('of a model on CPUs are refused, and the other outputs are not', async () => {
    const two = await loadIdentity(server, 'two-cpu', { tensors: 2 })
    const INPUT = Float32Array.from(floats)
    const inputs = { INPUT0: INPUT, INPUT1: INPUT }
    await expectFailure(
      () => two.infer(inputs, { outputs: { OUTPUT0: 'device', OUTPUT1: true } }),
      'INVALID_ARG',
      'OUTPUT0',
    )
    const { OUTPUT1 } = await two.infer(inputs, { outputs: { OUTPUT1: true } })
    expect([...(OUTPUT1.data as Float32Array)]).toEqual(floats)
  })

  it('are freed when nobody gets them', async () => {
    const two = await loadGpuIdentity(server, 'two-lost', { tensors: 2 })
    using memory = await withFloats()
    const INPUT = memory.tensor('FP32', [4])
    const lost = new Float32Array(4)
    const devices = fake.calls('device')
    for (let i = 0; i < 20; i++) {
      const target = lost.slice()
      const answer = two.infer(
        { INPUT0: INPUT, INPUT1: INPUT },
        { outputs: { OUTPUT0: 'device', OUTPUT1: target } },
      )
      structuredClone(target.buffer, { transfer: [target.buffer] })
      await expectFailure(() => answer, 'INVALID_ARG', 'OUTPUT1')
    }
    expect(fake.calls('device') - devices).toBeLessThan(5) // what is kept for the next
  })

  it('are freed when the request is aborted while it executes', async () => {
    const big = await loadGpuIdentity(server, 'big', { dims: [-1] })
    const length = 2 ** 24 + 1 // more than is kept for the next
    using memory = CudaMemory.allocate({ byteSize: 4 * length })
    const INPUT0 = memory.tensor('FP32', [length])
    const devices = fake.calls('device')
    const copies = fake.calls('cuMemcpyDtoDAsync_v2')
    const abort = new AbortController()
    fake.hold()
    const answer = big.infer({ INPUT0 }, { outputs: { OUTPUT0: 'device' }, signal: abort.signal })
    await until(() => fake.calls('cuMemcpyDtoDAsync_v2') > copies)
    abort.abort()
    await expect(answer).rejects.toThrow()
    expect(fake.calls('device')).toBe(devices + 1)
    fake.release()
    await untilLeft(fake, 'device', devices)
  })

  it('are freed when a stream is left with responses unread', async () => {
    const big = await loadGpuIdentity(server, 'big-stream', { dims: [-1] })
    const length = 2 ** 24 + 1
    using memory = CudaMemory.allocate({ byteSize: 4 * length })
    const INPUT0 = memory.tensor('FP32', [length])
    const devices = fake.calls('device')
    const stream = big.stream({ INPUT0 }, { outputs: { OUTPUT0: 'device' } })
    await big.infer({ INPUT0: new Float32Array(1) }) // after it
    await stream.return()
    await untilLeft(fake, 'device', devices)
  })

  it('are spelled so', async () => {
    const INPUT0 = Float32Array.from(floats)
    await expect(gpu.infer({ INPUT0 }, { outputs: { OUTPUT0: 'gpu' as never } })).rejects.toThrow(
      /'device'.*got 'gpu'/,
    )
  })
})
