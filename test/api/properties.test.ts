// Thousands of requests that are wrong in random ways, mixed with right ones: each ends, with the
// right answer or with one error of a documented type, and the model still serves afterwards.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadIdentity } from './support/identity.js'
import { transferAway } from './support/transfer.js'
import {
  createServer,
  type Datatype,
  datatypes,
  type Model,
  type Server,
  SharedMemory,
  sanitized,
  Tensor,
  TridentError,
} from './support/trident.js'

let server: Server
let models: Model[]
let region: SharedMemory

beforeAll(async () => {
  server = await createServer({ logLevel: 'silent' })
  region = SharedMemory.create(`/trident-properties-${process.pid}`, { byteSize: 4096 })
  models = await Promise.all([
    loadIdentity(server, 'plain', { dims: [4] }),
    loadIdentity(server, 'batched', {
      dims: [4],
      maxBatchSize: 4,
      config: { dynamicBatching: {} },
    }),
    loadIdentity(server, 'loose', { dims: [-1, 2], maxBatchSize: 4 }),
    loadIdentity(server, 'text', { datatype: 'BYTES', dims: [2] }),
    loadIdentity(server, 'pair', { tensors: 2, dims: [4] }),
  ])
})
afterAll(async () => {
  region.close()
  await server.close()
})

const runs = sanitized ? 300 : 3000
const arrays = [
  Int8Array,
  Uint8Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
] as const

const dimension = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 5 }) },
  fc.constantFrom(-1, 0.5, Number.NaN, 2 ** 31, 2 ** 53, Number.MAX_VALUE),
)
const shape = fc.oneof(
  fc.constantFrom([4], [1, 4], [2, 4], [2], [1, 2, 2]),
  fc.array(dimension, { maxLength: 5 }),
)
const typedArray = fc
  .tuple(fc.constantFrom(...arrays), fc.integer({ min: 0, max: 20 }))
  .map(([type, length]) => new type(length))
const detached = typedArray.map((array) => {
  transferAway(array)
  return array
})
const elements = fc.array(fc.oneof(fc.string(), fc.uint8Array({ maxLength: 5 })), { maxLength: 4 })

/** May throw: a wrong tensor is an error as soon as it is made. */
const tensor = fc
  .tuple(fc.constantFrom(...(datatypes as Datatype[])), fc.oneof(typedArray, elements), shape)
  .map(
    ([datatype, data, dims]) =>
      () =>
        new Tensor(datatype, data as never, dims),
  )
const regionTensor = fc
  .tuple(fc.constantFrom(...(datatypes as Datatype[])), shape, fc.integer({ min: -1, max: 5000 }))
  .map(
    ([datatype, dims, offset]) =>
      () =>
        region.tensor(datatype, dims, { offset, byteSize: 16 }),
  )
const registered = fc.constant(() => server.regionTensor('nowhere', 'FP32', [4]))

const good = fc.constantFrom(
  () => new Float32Array(4),
  () => new Tensor('FP32', new Float32Array(8), [2, 4]),
  () => new Tensor('FP32', new Float32Array(4), [1, 2, 2]),
  () => ['a', 'b'],
)
const value: fc.Arbitrary<() => unknown> = fc.oneof(
  { weight: 5, arbitrary: good },
  typedArray.map((array) => () => array),
  detached.map((array) => () => array),
  elements.map((list) => () => list),
  tensor,
  regionTensor,
  registered,
  fc.anything().map((anything) => () => anything),
)
const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('INPUT0', 'INPUT1') },
  fc.constantFrom('OUTPUT0', '', '__proto__', 'constructor', 'INPUT0\0', 'x'.repeat(1000)),
  fc.string(),
)
const inputs = fc.array(fc.tuple(name, value), { maxLength: 3 })
const rightInputs = fc.constantFrom<[string, () => unknown][]>(
  [['INPUT0', () => new Float32Array(4)]],
  [['INPUT0', () => new Tensor('FP32', new Float32Array(8), [1, 4, 2])]],
  [['INPUT0', () => ['a', 'b']]],
)
const outputs = fc.option(
  fc.oneof(
    fc
      .array(fc.constantFrom('OUTPUT0', 'OUTPUT1', 'x'), { maxLength: 2 })
      .map((list) => () => list),
    value.map((make) => () => ({ OUTPUT0: make() })),
  ),
  { nil: undefined },
)
const request = fc.record({
  model: fc.integer({ min: 0, max: 4 }),
  inputs: fc.oneof(rightInputs, inputs),
  outputs,
  options: fc.oneof(
    { weight: 12, arbitrary: fc.constant({}) },
    fc.constantFrom<object>(
      { timeout: 1 },
      { timeout: -5 },
      { version: 3 },
      { requestId: 'id' },
      { priority: -1 },
      { parameters: { fail: 'planned' } },
      { parameters: { x: [] } },
      { signal: AbortSignal.abort() },
    ),
  ),
  sync: fc.boolean(),
})
type Request = typeof request extends fc.Arbitrary<infer R> ? R : never

async function send({ model, inputs: list, outputs: makeOutputs, options, sync }: Request) {
  const made = Object.fromEntries(list.map(([key, make]) => [key, make()])) as never
  const all = { ...options, ...(makeOutputs && { outputs: makeOutputs() as never }) }
  const target = models[model]!
  return sync ? target.inferSync(made, all) : await target.infer(made, all)
}

const withinSeconds = <T>(promise: Promise<T>, seconds: number): Promise<T> => {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('a request is still pending')), seconds * 1000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function checkError(error: unknown): void {
  if (error instanceof TridentError) {
    expect(error.message.length).toBeGreaterThan(0)
    return
  }
  if (error instanceof TypeError || error instanceof RangeError) return
  throw error
}

it('every request ends', async () => {
  let failures = 0
  let answers = 0
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), async (requests) => {
      const outcomes = await withinSeconds(Promise.allSettled(requests.map(send)), 20)
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') {
          answers++
          for (const output of Object.values(outcome.value)) {
            expect(output.shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)).toBe(true)
          }
        } else {
          failures++
          checkError(outcome.reason)
        }
      }
    }),
    { numRuns: runs, endOnFailure: true },
  )
  expect(failures).toBeGreaterThan(runs / 2)
  expect(answers).toBeGreaterThan(runs / 20)
  const data = Float32Array.of(1, 2, 3, 4)
  expect((await models[0]!.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
}, 300_000)

it('whatever happens to the arrays between submission and completion', async () => {
  const slow = await loadIdentity(server, 'slow', {
    dims: [-1],
    executeDelayMs: 1,
    config: { instanceGroup: [{ count: 2, kind: 'KIND_CPU' }] },
  })
  const act = fc.constantFrom('transfer', 'mutate', 'nothing')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 5000 }), act, act, fc.boolean()), {
        minLength: 1,
        maxLength: 8,
      }),
      async (list) => {
        const apply = (array: Float32Array, what: string): void => {
          if (what === 'transfer') transferAway(array)
          else if (what === 'mutate') array.fill(-1)
        }
        const answers = list.map(async ([length, toInput, toOutput, withTarget]) => {
          const input = Float32Array.from({ length }, (_, i) => i)
          const target = new Float32Array(length)
          const answer = slow.infer(
            { INPUT0: input },
            withTarget ? { outputs: { OUTPUT0: target } } : {},
          ) as Promise<Record<string, Tensor>>
          apply(input, toInput)
          apply(target, toOutput)
          if (withTarget && toOutput === 'transfer') {
            await expect(answer).rejects.toMatchObject({ code: 'INVALID_ARG' })
            return
          }
          const data = (await answer).OUTPUT0!.data as Float32Array
          expect(data.length).toBe(length)
          for (let i = 0; i < length; i += 97) expect(data[i]).toBe(i)
        })
        await withinSeconds(Promise.all(answers), 20)
      },
    ),
    { numRuns: sanitized ? 50 : 300 },
  )
}, 300_000)
