import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { loadIdentity } from './support/identity.js'
import { createServer, type Model, type Server } from './support/trident.js'

// What the cache knows is answered on the JS thread, inside of the call that asks.

let server: Server
let model: Model
let models = 0

beforeAll(async () => {
  server = await createServer({
    modelControl: 'explicit',
    cache: { local: { size: 1 << 20 } },
  })
})
afterAll(() => server.close())

beforeEach(async () => {
  model = await loadIdentity(server, `cached_${models++}`, {
    config: { responseCache: { enable: true } },
  })
})

const ask = (value: number) => ({ INPUT0: Float32Array.of(value, 0, 0, 0) })

async function counts() {
  const { inference_stats, execution_count } = await model.statistics()
  const { cache_hit, cache_miss, success } = inference_stats
  return [success.count, cache_hit.count, cache_miss.count, execution_count]
}

it('answers infer', async () => {
  for (let i = 0; i < 3; i++) {
    const { OUTPUT0 } = await model.infer(ask(7))
    expect(OUTPUT0?.data[0]).toBe(7)
  }
  expect(await counts()).toEqual([3, 2, 1, 1])
})

it('answers many in one turn, each with its own', async () => {
  await model.infer(ask(1))
  const answers = await Promise.all([1, 2, 1, 3].map((value) => model.infer(ask(value))))
  expect(answers.map(({ OUTPUT0 }) => OUTPUT0?.data[0])).toEqual([1, 2, 1, 3])
  expect((await counts())[1]).toBe(2)
})

it('answers inferSync', async () => {
  expect(model.inferSync(ask(4)).OUTPUT0?.data[0]).toBe(4)
  expect(model.inferSync(ask(4)).OUTPUT0?.data[0]).toBe(4)
  expect(await counts()).toEqual([2, 1, 1, 1])
})

it('answers prepared runs, into their buffers', async () => {
  const input = Float32Array.of(9, 8, 7, 6)
  const output = new Float32Array(4)
  using run = model.prepare({ inputs: { INPUT0: input }, outputs: { OUTPUT0: output } })
  run.sync()
  output.fill(0)
  run.sync()
  expect([...output]).toEqual([9, 8, 7, 6])
  output.fill(0)
  await run.async()
  expect([...output]).toEqual([9, 8, 7, 6])
  input[0] = 1
  run.sync()
  expect(output[0]).toBe(1)
  expect(await counts()).toEqual([4, 2, 2, 2])
})
