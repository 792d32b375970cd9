import { afterAll, beforeAll, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { transferAway } from './support/transfer.js'
import { createServer, type Model, type Server, SharedMemory, Tensor } from './support/trident.js'

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
  model = await server.loadModel('digits')
})
afterAll(() => server.close())

it('runs again and again over the same arrays', async () => {
  const image = digits.imageOf(0)
  const logits = new Float32Array(10)
  const run = model.prepare({ inputs: { image }, outputs: { logits } })
  for (let i = 0; i < 20; i++) {
    image.set(digits.imageOf(i))
    const expected = model.inferSync({ image: digits.imageOf(i) }).logits!.data
    logits.fill(0)
    expect(run.sync()).toBe(run.outputs)
    expect(logits).toEqual(expected)
    logits.fill(0)
    expect(await run.async()).toBe(run.outputs)
    expect(logits).toEqual(expected)
  }
  expect(run.outputs.logits?.shape).toEqual([1, 10])
  run.close()
})

it('allocates the outputs when none are given', () => {
  using run = model.prepare({
    inputs: { image: new Tensor('FP32', digits.images.slice(0, 128), [2, 1, 8, 8]) },
  })
  const { logits } = run.sync()
  expect(logits?.shape).toEqual([2, 10])
  const expected = model.inferSync({ image: digits.images.slice(0, 128) }).logits!.data
  expect((logits as Tensor).data).toEqual(expected)
})

it('copies nothing when it runs on this thread', async () => {
  using run = model.prepare({ inputs: { image: digits.imageOf(0) } })
  run.sync()
  const before = (await model.statistics()).copy_stats
  for (let i = 0; i < 10; i++) run.sync()
  expect((await model.statistics()).copy_stats).toEqual(before)
})

it('uses regions and SharedArrayBuffers in place, also asynchronously', async () => {
  using region = SharedMemory.create(`/trident-prepared-${process.pid}`, { byteSize: 4096 })
  region.write(0, digits.imageOf(6))
  const logits = new Float32Array(new SharedArrayBuffer(40))
  using run = model.prepare({
    inputs: { image: region.tensor('FP32', [1, 1, 8, 8]) },
    outputs: { logits },
  })
  const expected = model.inferSync({ image: digits.imageOf(6) }).logits!.data
  const before = (await model.statistics()).copy_stats
  run.sync()
  expect([...logits]).toEqual([...(expected as Float32Array)])
  logits.fill(0)
  await run.async()
  expect([...logits]).toEqual([...(expected as Float32Array)])
  region.write(0, digits.imageOf(7))
  run.sync()
  expect((await model.statistics()).copy_stats).toEqual(before)
  const next = model.inferSync({ image: digits.imageOf(7) }).logits!.data
  expect([...logits]).toEqual([...(next as Float32Array)])
})

it('takes one run at a time', async () => {
  const slow = await loadIdentity(server, 'slow', { executeDelayMs: 20 })
  using run = slow.prepare({ inputs: { INPUT0: new Float32Array(4) } })
  const first = run.async()
  await expectFailure(() => run.async(), 'UNAVAILABLE', 'still running')
  await expectFailure(() => run.sync(), 'UNAVAILABLE', 'still running')
  await first
  run.sync()
})

it('notices arrays that were transferred away', async () => {
  const image = digits.imageOf(0)
  const logits = new Float32Array(10)
  using run = model.prepare({ inputs: { image }, outputs: { logits } })
  run.sync()
  transferAway(image)
  await expectFailure(() => run.sync(), 'INVALID_ARG', "input 'image'", 'detached')
  await expectFailure(() => run.async(), 'INVALID_ARG', "input 'image'", 'detached')

  using other = model.prepare({ inputs: { image: digits.imageOf(0) }, outputs: { logits } })
  transferAway(logits)
  await expectFailure(() => other.sync(), 'INVALID_ARG', "output 'logits'", 'detached')
  await expectFailure(() => other.async(), 'INVALID_ARG', "output 'logits'", 'detached')
})

it('notices an output that is transferred away while the request runs', async () => {
  const slow = await loadIdentity(server, 'slow2', { executeDelayMs: 20 })
  const target = new Float32Array(4)
  using run = slow.prepare({
    inputs: { INPUT0: new Float32Array(4) },
    outputs: { OUTPUT0: target },
  })
  const answer = run.async()
  transferAway(target)
  await expectFailure(() => answer, 'INVALID_ARG', 'OUTPUT0', 'detached')
})

it('follows a reload of the model and fails after an unload', async () => {
  const reloaded = await loadIdentity(server, 'reloaded')
  const data = Float32Array.of(1, 2, 3, 4)
  using run = reloaded.prepare({ inputs: { INPUT0: data } })
  run.sync()
  await loadIdentity(server, 'reloaded')
  data[0] = 9
  expect(((run.sync().OUTPUT0 as Tensor).data as Float32Array)[0]).toBe(9)
  await server.unloadModel('reloaded')
  await expectFailure(() => run.sync(), 'NOT_FOUND', 'reloaded')
  await expectFailure(() => run.async(), 'NOT_FOUND', 'reloaded')
})

it('gives outputs of a shape decided at run time over the bound memory', async () => {
  const loose = await loadIdentity(server, 'loose', { dims: [-1, -1] })
  const target = new Float32Array(10)
  using run = loose.prepare({
    inputs: { INPUT0: new Tensor('FP32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]) },
    outputs: { OUTPUT0: target },
  })
  const { OUTPUT0 } = run.sync()
  expect(OUTPUT0?.shape).toEqual([2, 3])
  expect([...target]).toEqual([1, 2, 3, 4, 5, 6, 0, 0, 0, 0])
  await expectFailure(
    () => loose.prepare({ inputs: { INPUT0: new Tensor('FP32', new Float32Array(6), [2, 3]) } }),
    'INVALID_ARG',
    'OUTPUT0',
    'no fixed size',
  )
})

it('is over after close', async () => {
  const run = model.prepare({ inputs: { image: digits.imageOf(0) } })
  run.close()
  run.close()
  await expectFailure(() => run.sync(), 'UNAVAILABLE', 'closed')
  await expectFailure(() => run.async(), 'UNAVAILABLE', 'closed')
})

it('refuses memory that overlaps', async () => {
  const buffer = new Float32Array(100)
  await expectFailure(
    () =>
      model.prepare({
        inputs: { image: buffer.subarray(0, 64) },
        outputs: { logits: buffer.subarray(60, 70) },
      }),
    'INVALID_ARG',
    'logits',
    'overlap',
  )
})

it('never touches a region made after its own was closed', async () => {
  const create = (name: string) =>
    SharedMemory.create(`/trident-prepared-${name}-${process.pid}`, { byteSize: 4096 })
  const shape = [1, 1, 8, 8]
  for (const reload of [false, true]) {
    const input = create('input')
    const output = create('output')
    using toRegion = model.prepare({
      inputs: { image: digits.imageOf(1) },
      outputs: { logits: output.tensor('FP32', [1, 10]) },
    })
    using fromRegion = model.prepare({ inputs: { image: input.tensor('FP32', shape) } })
    await fromRegion.async()
    await toRegion.async()
    fromRegion.sync()
    toRegion.sync()
    input.close()
    output.close()
    using next = create('next')
    using another = create('another')
    if (reload) model = await server.loadModel('digits')
    for (const run of [fromRegion, toRegion]) {
      await expectFailure(() => run.async(), 'UNAVAILABLE', 'closed', '/trident-prepared-')
      await expectFailure(() => run.sync(), 'UNAVAILABLE', 'closed', '/trident-prepared-')
    }
    for (const region of [next, another]) {
      const bytes = new Uint8Array(4096)
      region.read(0, bytes)
      expect(bytes.every((byte) => byte === 0)).toBe(true)
    }
  }
})

it('takes outputs: {} for no outputs named', async () => {
  using run = model.prepare({ inputs: { image: digits.imageOf(3) }, outputs: {} })
  const expected = model.inferSync({ image: digits.imageOf(3) }).logits!.data
  expect(run.sync().logits!.data).toEqual(expected)
  ;(run.outputs.logits!.data as Float32Array).fill(0)
  expect((await run.async()).logits!.data).toEqual(expected)
})

it('refuses options it does not know', async () => {
  const inputs = { image: digits.imageOf(0) }
  const logits = new Float32Array(10)
  expect(() => model.prepare({ inputs, output: { logits } } as never)).toThrow(
    new TypeError("prepare has no option 'output': did you mean 'outputs'?"),
  )
  expect(() => model.prepare({ inputs, outputs: ['logits'] } as never)).toThrow(/got Array/)
  expect(() => model.prepare({ inputs, outputs: null } as never)).toThrow(/got null/)
  expect(() => model.prepare(null as never)).toThrow(/got null/)
})

it('is refused when a reload changed the datatypes of its memory', async () => {
  const input = new Uint16Array(4)
  const typed = await loadIdentity(server, 'retyped', { datatype: 'FP16' })
  using run = typed.prepare({ inputs: { INPUT0: input } })
  expect((await run.async()).OUTPUT0?.datatype).toBe('FP16')
  await loadIdentity(server, 'retyped', { datatype: 'BF16' })
  await expectFailure(() => run.sync(), 'INVALID_ARG', 'OUTPUT0', 'FP16', 'BF16')
  await expectFailure(() => run.async(), 'INVALID_ARG', 'OUTPUT0', 'FP16', 'BF16')
  await loadIdentity(server, 'retyped', { datatype: 'FP16' })
  expect(run.sync()).toBe(run.outputs)
})

it('labels a bare array with the datatype and shape of the model after a reload', async () => {
  const input = Uint16Array.of(1, 2, 3, 4)
  const target = new Uint16Array(4)
  const typed = await loadIdentity(server, 'relabelled', { datatype: 'FP16' })
  using run = typed.prepare({ inputs: { INPUT0: input }, outputs: { OUTPUT0: target } })
  run.sync()
  await loadIdentity(server, 'relabelled', { datatype: 'BF16', dims: [2, -1] })
  for (const result of [await run.async(), run.sync()]) {
    const { OUTPUT0 } = result
    expect(OUTPUT0?.datatype).toBe('BF16')
    expect(OUTPUT0?.shape).toEqual([2, 2])
    expect([...target]).toEqual([1, 2, 3, 4])
  }
  expect(run.outputs.OUTPUT0?.datatype).toBe('FP16')
})
