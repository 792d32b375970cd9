// model.sequence(), with a recurrent model whose state the server keeps.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  classes,
  rowOf,
  rowsConfig,
  rowsFile,
  rowsLogits,
  rowsPerImage,
  type SequenceBatching,
} from './support/digit-rows.js'
import { imageCount } from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { createServer, type Model, type Sequence, type Server } from './support/trident.js'

let server: Server

beforeAll(async () => {
  server = await createServer()
})
afterAll(() => server.close())

function loadRows(name: string, batching: SequenceBatching = {}): Promise<Model> {
  return server.loadModel({ name, path: rowsFile, config: rowsConfig(batching) })
}

const row = (image: number, index: number) => ({ row: rowOf(image, index) })
const recorded = (image: number) => rowsLogits.subarray(image * classes, (image + 1) * classes)

function expectLogits(logits: unknown, image: number): void {
  const found = logits as Float32Array
  expect(found).toHaveLength(classes)
  recorded(image).forEach((logit, i) => {
    expect(Math.abs(found[i]! - logit), `image ${image}, logit ${i}`).toBeLessThan(1e-4)
  })
}

/** All rows of an image without waiting in between; the logits after the last one. */
async function read(talk: Sequence, image: number): Promise<unknown> {
  const answers = []
  for (let i = 0; i + 1 < rowsPerImage; i++) answers.push(talk.next(row(image, i)))
  const last = talk.end(row(image, rowsPerImage - 1))
  await Promise.all(answers)
  return (await last).logits!.data
}

const strategies: [string, SequenceBatching][] = [
  ['direct', { direct: {} }],
  ['oldest', { oldest: { maxCandidateSequences: 64 } }],
]

describe.each(strategies)('%s', (strategy, batching) => {
  it('360 interleaved sequences of 8 rows give the recorded logits', async () => {
    const model = await loadRows(`all-${strategy}`, batching)
    const images = Array.from({ length: imageCount }, (_, image) => image)
    const talks = images.map(() => model.sequence())
    const onTheWay = Array.from({ length: rowsPerImage - 1 }, (_, i) =>
      images.map((image) => talks[image]!.next(row(image, i))),
    )
    const answers = await Promise.all(
      images.map((image) => talks[image]!.end(row(image, rowsPerImage - 1))),
    )
    await Promise.all(onTheWay.flat())
    answers.forEach(({ logits }, image) => {
      expectLogits(logits!.data, image)
    })
    const { inference_count, inference_stats } = await model.statistics()
    expect(inference_count).toBe(imageCount * rowsPerImage)
    expect(inference_stats.success.count).toBe(imageCount * rowsPerImage)
    await model.unload()
  })

  it('requests made without waiting stay in order', async () => {
    const model = await loadRows(`order-${strategy}`, batching)
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, image) => read(model.sequence(), image)),
    )
    answers.forEach((logits, image) => {
      expectLogits(logits, image)
    })
    await model.unload()
  })

  it('a sequence that is closed gives its slot to another', async () => {
    const one: SequenceBatching =
      strategy === 'direct' ? { direct: {} } : { oldest: { maxCandidateSequences: 1 } }
    const config = { ...rowsConfig(one), ...(strategy === 'direct' && { maxBatchSize: 1 }) }
    const model = await server.loadModel({ name: `slot-${strategy}`, path: rowsFile, config })
    {
      await using talk = model.sequence()
      await talk.next(row(0, 0))
    }
    expectLogits(await read(model.sequence(), 1), 1)
    // Also when its requests wait for a slot, or are under way.
    const first = model.sequence()
    await first.next(row(2, 0))
    const second = model.sequence()
    const waiting = second.next(row(3, 0))
    const third = read(model.sequence(), 4)
    await second.close()
    await expectFailure(() => waiting, 'CANCELLED', 'closed')
    await first.close()
    expectLogits(await third, 4)
    await model.unload()
  })
})

describe('a sequence', () => {
  let model: Model
  beforeAll(async () => {
    model = await loadRows('rows')
  })

  it('has an id of its own unless given', async () => {
    const ids = Array.from({ length: 100 }, () => model.sequence().id)
    expect(new Set(ids).size).toBe(100)
    for (const id of ids) expect(Number.isSafeInteger(id) && (id as number) > 2 ** 32).toBe(true)
    const named = model.sequence({ id: 7 })
    expect(named.id).toBe(7)
    expectLogits(await read(named, 5), 5)
    expectLogits(await read(model.sequence({ id: 2n ** 63n }), 6), 6)
    expectLogits(await read(model.sequence({ id: 'camera one' }), 7), 7)
  })

  it('has a text for an id where the model wants one', async () => {
    const controlInput = [
      {
        name: 'id',
        control: [{ kind: 'CONTROL_SEQUENCE_CORRID', dataType: 'TYPE_STRING' } as const],
      },
    ]
    const config = { backend: 'identity', maxBatchSize: 1, sequenceBatching: { controlInput } }
    const tensor = { name: 'INPUT0', dataType: 'TYPE_FP32' as const, dims: [1] }
    const wanting = await server.loadModel({
      name: 'wants a text',
      config: { ...config, input: [tensor], output: [{ ...tensor, name: 'OUTPUT0' }] },
      files: { '1/unused': new Uint8Array(0) },
    })
    const talk = wanting.sequence()
    expect(talk.id).toMatch(/^sequence-\d+$/)
    await talk.end({ INPUT0: Float32Array.of(1) })
    await expectFailure(
      () => wanting.sequence({ id: 3 }).next({ INPUT0: Float32Array.of(1) }),
      'INVALID_ARG',
      "'id'",
    )
  })

  it('of one request starts and ends with it', async () => {
    const alone = await model.sequence().end(row(0, 0))
    const first = await model.sequence().next(row(0, 0))
    expect(alone.logits!.data).toEqual(first.logits!.data)
  })

  it('takes the options of a request', async () => {
    const talk = model.sequence()
    const logits = new Float32Array(classes)
    const answer = await talk.next(row(0, 0), { outputs: { logits }, requestId: 'r', timeout: 1e6 })
    expect(answer.logits.data).toBe(logits)
    const taken = { sequence: { id: 1 } } as never
    await expect(talk.next(row(0, 1), taken)).rejects.toThrow(/no option 'sequence'/)
    await expect(talk.next(row(0, 1), { version: 1 } as never)).rejects.toThrow(TypeError)
    await talk.end(row(0, 1))
  })

  it('is over after its end', async () => {
    const talk = model.sequence()
    await talk.next(row(0, 0))
    const end = talk.end(row(0, 1))
    await expectFailure(() => talk.next(row(0, 2)), 'UNAVAILABLE', 'has ended', `${talk.id}`)
    await end
    await expectFailure(() => talk.end(row(0, 2)), 'UNAVAILABLE', "'rows'")
    await talk.close()
    await talk.close()
    await expectFailure(() => talk.next(row(0, 2)), 'UNAVAILABLE', 'is closed')
  })

  it('has not begun when its first request is refused', async () => {
    const talk = model.sequence()
    await expectFailure(() => talk.next({ wrong: rowOf(1, 0) }), 'INVALID_ARG', "'wrong'")
    const two = { row: new Float32Array(16) } // a batch of two
    await expectFailure(() => talk.next(two), 'INVALID_ARG', 'batch-size 1')
    expectLogits(await read(talk, 1), 1)
  })

  it('goes on after a request in its middle that is refused', async () => {
    const talk = model.sequence()
    await talk.next(row(1, 0))
    await expectFailure(() => talk.next({ wrong: rowOf(1, 0) }), 'INVALID_ARG')
    await expectFailure(() => talk.end({ wrong: rowOf(1, 0) }), 'INVALID_ARG')
    for (let i = 1; i < 7; i++) await talk.next(row(1, i))
    expectLogits((await talk.end(row(1, 7))).logits!.data, 1)
  })

  it('starts anew with the id of one that was ended', async () => {
    for (const image of [10, 11, 12])
      expectLogits(await read(model.sequence({ id: 99 }), image), image)
  })

  it('needs an id that is one', () => {
    expect(() => model.sequence({ id: 0 })).toThrow(RangeError)
    expect(() => model.sequence({ id: '' })).toThrow(RangeError)
    expect(() => model.sequence({ id: -1 })).toThrow(RangeError)
    expect(() => model.sequence({ id: {} as never })).toThrow(TypeError)
    expect(() => model.sequence({ ID: 1 } as never)).toThrow(/did you mean 'id'/)
  })

  it('of requests made with infer is the same', async () => {
    const id = 12345
    for (let i = 0; i < 7; i++) await model.infer(row(3, i), { sequence: { id, start: i === 0 } })
    const answer = await model.infer(row(3, 7), { sequence: { id, end: true } })
    expectLogits(answer.logits!.data, 3)
    await expectFailure(
      () => model.infer(row(3, 0), { sequence: { id } }),
      'INVALID_ARG',
      'must specify the START flag',
    )
    await expectFailure(() => model.infer(row(3, 0)), 'INVALID_ARG', 'correlation ID')
  })
})
