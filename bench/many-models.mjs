// Servers with many small models.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createServer } from 'trident'
import { scratch } from './paths.mjs'

const config = `backend: "identity"
max_batch_size: 8
input [ { name: "input" data_type: TYPE_FP32 dims: [ 16 ] } ]
output [ { name: "output" data_type: TYPE_FP32 dims: [ 16 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { }
`

/** A repository of that many models, and a server that loads all of them at once. */
export async function loadMany(count) {
  const modelRepository = join(scratch, 'many', String(count))
  const names = Array.from({ length: count }, (_, i) => `many_${i}`)
  for (const name of names) {
    const model = join(modelRepository, name)
    mkdirSync(join(model, '1'), { recursive: true })
    writeFileSync(join(model, 'config.pbtxt'), config)
  }
  const begin = performance.now()
  const server = await createServer({ modelRepository })
  const loadMs = performance.now() - begin
  return { server, count, loadMs, models: names.map((name) => server.model(name)) }
}
