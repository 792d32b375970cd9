// In a process of its own: what it takes to read the metrics of many loaded models.
import { performance } from 'node:perf_hooks'
import { median } from '../load/rounds.mjs'
import { loadMany } from '../many-models.mjs'
import { answerParent, childInput } from '../programs.mjs'

const { counts, rounds } = childInput()

async function timesOf(call) {
  const times = []
  for (let i = 0; i < 3 + 3 * rounds; ++i) {
    const begin = performance.now()
    await call()
    times.push(performance.now() - begin)
  }
  return times.slice(1) // the first finds nothing in the cache
}

async function scrapes(server, count) {
  const times = await timesOf(() => server.metrics())
  const bytes = Buffer.from(await server.metrics())
  const floor = await timesOf(() => bytes.latin1Slice())
  return {
    count,
    p50Ms: median(times),
    worstMs: Math.max(...times),
    floorMs: median(floor),
    kilobytes: bytes.length / 1024,
  }
}

const rows = []
for (const count of counts) {
  const { server } = await loadMany(count)
  rows.push(await scrapes(server, count))
  await server.close()
}
answerParent(rows)
