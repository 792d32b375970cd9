// A program whose libraries import and require this package has two copies of it.
import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadIdentity } from './support/identity.js'
import { cjsEntry, createServer, type Model, type Server, Tensor } from './support/trident.js'

const other = createRequire(import.meta.url)(cjsEntry) as typeof import('./support/trident.js')
let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer()
  model = await loadIdentity(server, 'identity')
})
afterAll(() => server.close())

it('takes tensors of the other copy', async () => {
  expect(other.Tensor).not.toBe(Tensor)
  const data = Float32Array.of(1, 2, 3, 4)
  const INPUT0 = new other.Tensor('FP32', data, [4])
  await model.infer({ INPUT0: new Tensor('FP32', data, [4]) })
  expect((await model.infer({ INPUT0 })).OUTPUT0!.data).toEqual(data)
  const OUTPUT0 = new other.Tensor('FP32', new Float32Array(4), [4])
  model.inferSync({ INPUT0 }, { outputs: { OUTPUT0 } })
  expect(OUTPUT0.data).toEqual(data)
})

it('refuses regions of the other copy, whose numbers mean nothing here', async () => {
  const key = `/trident-two-copies-${process.pid}`
  using region = other.SharedMemory.create(key, { byteSize: 64 })
  const tensor = region.tensor('FP32', [4]) as never
  const array = new Float32Array(4)
  await expect(model.infer({ INPUT0: tensor })).rejects.toThrow(/another copy/)
  expect(() => model.prepare({ inputs: { INPUT0: array }, outputs: { OUTPUT0: tensor } })).toThrow(
    /another copy/,
  )
})
