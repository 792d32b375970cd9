// In a process of its own: what one request costs beside many loaded models, and what those
// cost while nobody asks them anything.
import { readdirSync } from 'node:fs'
import { seededRandom, zipf } from '../load/arrivals.mjs'
import { measureAsync, measureSync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { loadMany } from '../many-models.mjs'
import { answerParent, childInput } from '../programs.mjs'

const { counts, rounds, seconds, seed } = childInput()
const input = new Float32Array(16)

const threads = () => readdirSync('/proc/self/task').length
const kilobytes = () => process.memoryUsage.rss() / 1024

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
  await (await loadMany(1)).server.close() // starts what a process needs once
  const before = { threads: threads(), kilobytes: kilobytes() }
  const largest = await loadMany(counts.at(-1))
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
  for (const count of counts.slice(0, -1)) others.push(await loadMany(count))
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
