import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { loadIdentity } from './support/identity.js'
import { transferAway } from './support/transfer.js'
import { createServer, type Model, type Server, Tensor } from './support/trident.js'

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
  model = await server.loadModel('digits')
})
afterAll(() => server.close())

function expectLogits(found: Tensor | undefined, index: number): void {
  const recorded = digits.recordedOf(index)
  expect(found?.datatype).toBe('FP32')
  expect(found?.shape).toEqual([1, digits.classes])
  const data = found?.data as Float32Array
  for (let i = 0; i < digits.classes; i++) {
    expect(Math.abs(data[i]! - recorded[i]!)).toBeLessThanOrEqual(1e-4)
  }
}

describe('infer', () => {
  it('answers a bare array with named tensors', async () => {
    const result = await model.infer({ image: digits.imageOf(0) })
    expect(Object.keys(result)).toEqual(['logits'])
    expectLogits(result.logits, 0)
  })

  it('answers all images with the recorded logits and accuracy', async () => {
    const answers = await Promise.all(
      Array.from({ length: digits.imageCount }, (_, i) =>
        model.infer({ image: new Tensor('FP32', digits.imageOf(i), [1, 1, 8, 8]) }),
      ),
    )
    let right = 0
    answers.forEach(({ logits }, i) => {
      expectLogits(logits, i)
      const data = logits!.data as Float32Array
      if (data.indexOf(Math.max(...data)) === digits.labels[i]) right++
    })
    expect(right).toBe(353)
  })

  it('takes a batch in one request', async () => {
    const { logits } = await model.infer({ image: digits.images.slice(0, 5 * digits.pixels) })
    expect(logits?.shape).toEqual([5, digits.classes])
    for (let i = 0; i < 5; i++) {
      const row = (logits!.data as Float32Array).slice(i * 10, i * 10 + 10)
      expectLogits(new Tensor('FP32', row, [1, 10]), i)
    }
  })

  it('has copied its inputs when it returns', async () => {
    const image = digits.imageOf(3)
    const answer = model.infer({ image })
    image.fill(0)
    transferAway(image)
    expectLogits((await answer).logits, 3)
  })

  it('gives every result memory of its own', async () => {
    const [a, b] = await Promise.all([0, 0].map(() => model.infer({ image: digits.imageOf(0) })))
    const first = a!.logits!.data as Float32Array
    const second = b!.logits!.data as Float32Array
    expect(first.buffer).not.toBe(second.buffer)
    transferAway(first)
    expect(second).toHaveLength(10)
    expectLogits((await model.infer({ image: digits.imageOf(0) })).logits, 0)
  })

  it('follows a change of shape from request to request', async () => {
    for (const batch of [1, 3, 1, 2, 64, 1]) {
      const image = digits.images.slice(0, batch * digits.pixels)
      const { logits } = await model.infer({ image })
      expect(logits?.shape).toEqual([batch, 10])
    }
  })

  it('takes arrays from Buffer pools and at any offset', async () => {
    const whole = new Float32Array(100)
    whole.set(digits.imageOf(1), 7)
    expectLogits((await model.infer({ image: whole.subarray(7, 71) })).logits, 1)
  })

  it('says which code of the user a failure belongs to', async () => {
    async function theUsersFunction(): Promise<void> {
      await model.infer({ image: new Tensor('FP32', new Float32Array(64), [1, 64]) })
    }
    const error = await theUsersFunction().catch((reason) => reason)
    expect(error.stack).toContain('theUsersFunction')
  })
})

describe('outputs', () => {
  it('are only those named', async () => {
    const many = await loadIdentity(server, 'two', { tensors: 2 })
    const data = Float32Array.of(1, 2, 3, 4)
    const inputs = { INPUT0: data, INPUT1: data }
    expect(Object.keys(await many.infer(inputs))).toEqual(['OUTPUT0', 'OUTPUT1'])
    expect(Object.keys(await many.infer(inputs, { outputs: ['OUTPUT1'] }))).toEqual(['OUTPUT1'])
    expect(Object.keys(await many.infer(inputs, { outputs: [] }))).toHaveLength(2)
    const some = await many.infer(inputs, { outputs: { OUTPUT0: true } })
    expect(Object.keys(some)).toEqual(['OUTPUT0'])
  })

  it('go to the array given', async () => {
    const target = new Float32Array(10)
    const { logits } = await model.infer(
      { image: digits.imageOf(2) },
      { outputs: { logits: target } },
    )
    expect(logits.data).toBe(target)
    expectLogits(logits, 2)
  })

  it('go to the start of a longer array', async () => {
    const target = new Float32Array(12).fill(-1)
    const { logits } = await model.infer(
      { image: digits.imageOf(2) },
      { outputs: { logits: target } },
    )
    expectLogits(logits, 2)
    expect([...target.slice(10)]).toEqual([-1, -1])
  })

  it('are written into a SharedArrayBuffer in place', async () => {
    const memory = new SharedArrayBuffer(1024)
    const image = new Float32Array(memory, 0, 64)
    image.set(digits.imageOf(4))
    const logits = new Float32Array(memory, 512, 10)
    const before = (await model.statistics()).copy_stats.count
    const result = await model.infer({ image }, { outputs: { logits } })
    expect(result.logits.data).toBe(logits)
    expectLogits(result.logits, 4)
    expect((await model.statistics()).copy_stats.count).toBe(before)
  })

  it('come whole when they are large', async () => {
    const large = await loadIdentity(server, 'large', { dims: [3, 224, 224] })
    const data = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => i % 1000)
    const results = await Promise.all([0, 1, 2].map(() => large.infer({ INPUT0: data })))
    for (const { OUTPUT0 } of results) expect(OUTPUT0?.data).toEqual(data)
  })

  it('come with shapes the model decides at run time', async () => {
    const loose = await loadIdentity(server, 'loose', { dims: [-1, -1] })
    for (const shape of [
      [2, 3],
      [3, 2],
      [1, 1],
      [40, 50],
    ]) {
      const data = Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i)
      const { OUTPUT0 } = await loose.infer({ INPUT0: new Tensor('FP32', data, shape) })
      expect(OUTPUT0?.shape).toEqual(shape)
      expect(OUTPUT0?.data).toEqual(data)
      const target = new Float32Array(2000)
      const given = await loose.infer(
        { INPUT0: new Tensor('FP32', data, shape) },
        { outputs: { OUTPUT0: target } },
      )
      expect(given.OUTPUT0.shape).toEqual(shape)
      expect(target.subarray(0, data.length)).toEqual(data)
    }
  })
})

describe('a description', () => {
  it('tells what the model takes and gives', async () => {
    expect(model.name).toBe('digits')
    expect(model.version).toBe(1)
    expect(model.inputs).toEqual([
      { name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8], optional: false },
    ])
    expect(model.outputs).toEqual([
      { name: 'logits', datatype: 'FP32', shape: [-1, 10], optional: false },
    ])
    const metadata = await model.metadata()
    expect(metadata).toMatchObject({ name: 'digits', versions: ['1'] })
    expect(metadata.inputs).toEqual([{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8] }])
    expect(await model.config()).toMatchObject({ name: 'digits', backend: 'onnxruntime' })
    expect(await model.ready()).toBe(true)
  })
})
