// What a backend says about a response beside its outputs, and models that answer in rounds.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testBackends } from './support/repeat.js'
import {
  createServer,
  type Model,
  type ModelConfig,
  parametersOf,
  type Server,
} from './support/trident.js'

let server: Server
beforeAll(async () => {
  server = await createServer({ backendDirectory: testBackends })
})
afterAll(() => server.close())

/** Adds up the inputs of a sequence. */
function loadAccumulate(name: string, config: ModelConfig = {}): Promise<Model> {
  const tensor = { dataType: 'TYPE_INT32' as const, dims: [2] }
  const state = (prefix: string, dims: number[]) => ({
    inputName: `${prefix}_in`,
    outputName: `${prefix}_out`,
    dataType: 'TYPE_INT32' as const,
    dims,
  })
  return server.loadModel({
    name,
    config: {
      backend: 'accumulate',
      maxBatchSize: 4,
      input: [{ name: 'input', ...tensor }],
      output: [{ name: 'output', ...tensor }],
      ...config,
      sequenceBatching: {
        ...config.sequenceBatching,
        state: [
          state('sum', [2]),
          ...(config.sequenceBatching?.iterativeSequence ? [state('round', [1])] : []),
        ],
      },
    },
    files: { '1/unused': new Uint8Array(0) },
  })
}

const input = () => ({ input: Int32Array.of(1, 10) })
const sum = (part: Record<string, { data: unknown }>) => [...(part.output!.data as Int32Array)]

it('comes with the result of infer and inferSync', async () => {
  const model = await loadAccumulate('plain')
  const talk = model.sequence()
  for (const times of [1, 2, 3]) {
    const result = await talk.next(input())
    expect(sum(result)).toEqual([times, 10 * times])
    expect(parametersOf(result)).toEqual({ round: 1 })
  }
  await talk.end(input())
  const alone = model.inferSync(input(), { sequence: { id: 5, start: true, end: true } })
  expect(sum(alone)).toEqual([1, 10])
  expect(parametersOf(alone)).toEqual({ round: 1 })
})

it('of an iterative model: one answer after many rounds, or one per round in a stream', async () => {
  const iterative = { sequenceBatching: { iterativeSequence: true } }
  const once = await loadAccumulate('once', iterative)
  const parameters = { rounds: 5 }
  const results = await Promise.all([1, 2, 3].map(() => once.infer(input(), { parameters })))
  for (const result of results) {
    expect(sum(result)).toEqual([5, 50])
    expect(parametersOf(result)).toEqual({ round: 5 })
  }
  const many = await loadAccumulate('many', {
    ...iterative,
    modelTransactionPolicy: { decoupled: true },
  })
  const rounds: unknown[] = []
  for await (const part of many.stream(input(), { parameters })) {
    rounds.push([sum(part), parametersOf(part)])
  }
  expect(rounds).toEqual([1, 2, 3, 4, 5].map((round) => [[round, 10 * round], { round }]))
  for await (const _ of many.stream(input(), { parameters: { rounds: 1_000_000 } })) break
})
