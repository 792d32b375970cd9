import { afterAll, beforeAll, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { createServer, type Model, type ModelStatistics, type Server } from './support/trident.js'

let server: Server
beforeAll(async () => {
  server = await createServer({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
})
afterAll(() => server.close())

function batches(statistics: ModelStatistics): Record<number, number> {
  return Object.fromEntries(
    statistics.batch_stats.map(({ batch_size, compute_infer }) => [
      batch_size,
      compute_infer.count,
    ]),
  )
}

/** As many requests as fill a batch, made while a first one keeps the only instance busy. */
async function fill(model: Model, count: number): Promise<void> {
  const data = Float32Array.of(1, 2, 3, 4)
  await Promise.all(Array.from({ length: count }, () => model.infer({ INPUT0: data })))
}

it('gives requests of one turn to the batcher together, without any delay', async () => {
  const model = await loadIdentity(server, 'together', {
    maxBatchSize: 64,
    config: { dynamicBatching: {} },
  })
  await fill(model, 64)
  expect(batches(await model.statistics())).toEqual({ 64: 1 })
})

it('collects over microtasks, not only within one function', async () => {
  const model = await loadIdentity(server, 'microtasks', {
    maxBatchSize: 32,
    config: { dynamicBatching: {} },
  })
  const user = async (depth: number): Promise<void> => {
    for (let i = 0; i < depth; i++) await null
    await model.infer({ INPUT0: Float32Array.of(depth, 0, 0, 0) })
  }
  await Promise.all(Array.from({ length: 32 }, (_, i) => user(i)))
  expect(batches(await model.statistics())).toEqual({ 32: 1 })
})

it('keeps each request apart in its batch', async () => {
  const model = await loadIdentity(server, 'apart', {
    maxBatchSize: 16,
    config: { dynamicBatching: {} },
  })
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, i) =>
      model.infer({ INPUT0: Float32Array.of(i, -i, i * 2, 7) }),
    ),
  )
  answers.forEach(({ OUTPUT0 }, i) => {
    expect([...(OUTPUT0!.data as Float32Array)]).toEqual([i, -i, i * 2, 7])
  })
  const { inference_count, execution_count } = await model.statistics()
  expect(inference_count).toBe(500)
  expect(execution_count).toBeLessThan(100)
})

it('batches a real model, whose answers do not depend on it', async () => {
  const model = await server.loadModel('digits')
  const alone: Float32Array[] = []
  for (let i = 0; i < 16; i++) {
    alone.push(model.inferSync({ image: digits.imageOf(i) }).logits!.data as Float32Array)
  }
  const together = await Promise.all(alone.map((_, i) => model.infer({ image: digits.imageOf(i) })))
  together.forEach(({ logits }, i) => {
    const found = logits!.data as Float32Array
    for (let k = 0; k < 10; k++) expect(Math.abs(found[k]! - alone[i]![k]!)).toBeLessThan(1e-4)
  })
  expect(Object.keys(batches(await model.statistics())).map(Number)).toContain(16)
})

it('refuses what the queue has no room for, at once', async () => {
  const model = await loadIdentity(server, 'bounded', {
    maxBatchSize: 1,
    executeDelayMs: 20,
    config: { dynamicBatching: { defaultQueuePolicy: { maxQueueSize: 3 } } },
  })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => model.infer({ INPUT0: new Float32Array(4) })),
  )
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  expect(refused.length).toBeGreaterThanOrEqual(16)
  expect(refused.length).toBeLessThan(20)
  for (const { reason } of refused as PromiseRejectedResult[])
    expect(reason.code).toBe('UNAVAILABLE')
})

it('answers the requests of one turn, for several models and servers, some refused', async () => {
  await using other = await createServer({ inlineBudget: 1000 })
  await using busy = await createServer({ inlineBudget: 1000 })
  const models = [
    await loadIdentity(busy, 'first', { maxBatchSize: 4 }),
    await loadIdentity(busy, 'second', { maxBatchSize: 4 }),
    await loadIdentity(other, 'elsewhere'),
  ]
  for (let round = 0; round < 40; round++) {
    const answers = models.map((model, i) =>
      model.infer({ INPUT0: Float32Array.of(round, i, 0, 0) }),
    )
    const nowhere = busy.regionTensor('nowhere', 'FP32', [1, 4])
    const refused = expectFailure(() => models[0]!.infer({ INPUT0: nowhere }), 'NOT_FOUND')
    answers.push(models[1]!.infer({ INPUT0: Float32Array.of(round, 1, 0, 0) }))
    const found = (await Promise.all(answers)).map(({ OUTPUT0 }) => OUTPUT0!.data)
    expect(found).toEqual([0, 1, 2, 1].map((i) => Float32Array.of(round, i, 0, 0)))
    await refused
  }
})
