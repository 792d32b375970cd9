import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { identityConfig } from './support/identity.js'
import { endless, loadRepeat, repeat, repeatConfig, testBackends } from './support/repeat.js'
import { createServer, type Model, type ModelConfig, type Server } from './support/trident.js'

let server: Server
beforeAll(async () => {
  server = await createServer({ backendDirectory: testBackends, logLevel: 'silent' })
})
afterAll(() => server.close())

const mortalConfig: ModelConfig = {
  backend: 'mortal',
  isolation: 'process',
  input: [{ name: 'input', dataType: 'TYPE_INT32', dims: [-1] }],
  output: [{ name: 'output', dataType: 'TYPE_INT32', dims: [-1] }],
}

function load(name: string, config: ModelConfig): Promise<Model> {
  return server.loadModel({ name, config, files: { '1/unused': new Uint8Array(0) } })
}

it('an isolated model answers as any other', async () => {
  const model = await load('echo', identityConfig({ config: { isolation: 'process' } }))
  const data = Float32Array.of(1, 2, 3, 4)
  expect((await model.infer({ INPUT0: data })).OUTPUT0?.data).toEqual(data)
  expect(model.inferSync({ INPUT0: data }).OUTPUT0?.data).toEqual(data)
  expect((await model.config()).isolation).toBe('process')
  const statistics = await model.statistics()
  expect(statistics.inference_count).toBe(2)
})

it('a fault fails its request, with the cause, and the next one is served', async () => {
  const model = await load('mortal', mortalConfig)
  const input = Int32Array.of(20, 1)
  const fault = () => model.infer({ input }, { parameters: { end: 'fault' } })
  await expectFailure(fault, 'UNAVAILABLE', "'mortal'", 'process', 'SIGSEGV')
  expect((await model.infer({ input })).output?.data).toEqual(Int32Array.of(40, 2))
  expect(await server.metrics()).toMatch(
    /trident_isolated_restarts_total\{.*model="mortal".*reason="SIGSEGV".*\} 1/,
  )
})

it('an execution that takes too long is given up', async () => {
  const model = await load('slow', { ...mortalConfig, executionTimeoutMicroseconds: 50_000 })
  const input = Int32Array.of(1)
  const hang = () => model.infer({ input }, { parameters: { end: 'hang' } })
  await expectFailure(hang, 'UNAVAILABLE', "'slow'", '50000 microseconds')
  expect((await model.infer({ input })).output?.data).toEqual(Int32Array.of(2))
})

it('streams are streams, and a signal ends them', async () => {
  const model = await loadRepeat(server, 'repeat', { ...repeatConfig, isolation: 'process' })
  const indices: unknown[] = []
  for await (const response of model.stream(repeat(3, 1, 2))) {
    indices.push(response.index?.data)
  }
  expect(indices).toEqual([0, 1, 2].map((index) => Int32Array.of(index)))
  const abort = new AbortController()
  const stream = model.stream(endless(), { signal: abort.signal })
  let seen = 0
  await expect(async () => {
    for await (const _ of stream) if (++seen === 3) abort.abort()
  }).rejects.toThrow()
  expect(seen).toBeGreaterThanOrEqual(3)
})
