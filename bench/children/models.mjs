// In a process of its own: what one request costs beside many loaded models, and what those
// cost while nobody asks them anything.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createServer } from 'trident'
import { seededRandom, zipf } from '../load/arrivals.mjs'
import { measureAsync, measureSync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { scratch } from '../paths.mjs'
import { answerParent, childInput } from '../programs.mjs'

const { counts, rounds, seconds, seed } = childInput()
const directory = join(scratch, 'many')
const input = new Float32Array(16)

const config = `backend: "identity"
max_batch_size: 8
input [ { name: "input" data_type: TYPE_FP32 dims: [ 16 ] } ]
output [ { name: "output" data_type: TYPE_FP32 dims: [ 16 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { }
`

const threads = () => readdirSync('/proc/self/task').length
const kilobytes = () => process.memoryUsage.rss() / 1024

/** A repository of that many models, and a server that loads all of them at once. */
async function load(count) {
  const modelRepository = join(directory, String(count))
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

/** Traffic that asks the k-th model 1 / k as often as the first; drawn beforehand. */
function askSome(models, method) {
  const picks = Uint32Array.from({ length: 1 << 16 }, zipf(models.length, seededRandom(seed)))
  let next = 0
  return () => models[picks[next++ % picks.length]][method]({ input })
}

const lanes = [
  {
    name: 'inferSync',
    measure: async (models) => measureSync(askSome(models, 'inferSync'), seconds),
  },
  ...[1, 16].map((outstanding) => ({
    name: `infer, ${outstanding} outstanding`,
    measure: (models) => measureAsync(askSome(models, 'infer'), outstanding, seconds),
  })),
]

/** The largest server goes first: what it adds to the process is measured before there are others. */
async function loadAll() {
  await (await load(1)).server.close() // starts what a process needs once
  const before = { threads: threads(), kilobytes: kilobytes() }
  const largest = await load(counts.at(-1))
  const loaded = { threads: threads(), kilobytes: kilobytes() }
  await lanes.at(-1).measure(largest.models)
  const idle = {
    models: counts.at(-1),
    threadsLoaded: loaded.threads - before.threads,
    threadsAsked: threads() - before.threads,
    loadMs: largest.loadMs,
    kilobytesPerModel: (loaded.kilobytes - before.kilobytes) / counts.at(-1),
  }
  const others = []
  for (const count of counts.slice(0, -1)) others.push(await load(count))
  return { idle, servers: [...others, largest] }
}

const { idle, servers } = await loadAll()
const cases = lanes.flatMap((lane) => servers.map((loaded) => ({ ...lane, ...loaded })))
const measured = await measureCases(
  cases,
  ({ measure, models }) => measure(models),
  rounds,
  'models',
)
for (const { server } of servers) await server.close()
const rows = measured.map(({ name, count, p50Us, p99Us, perSecond }) => {
  return { lane: name, count, p50Us, p99Us, perSecond }
})
answerParent({ idle, rows })
