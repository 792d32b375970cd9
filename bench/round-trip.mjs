// The floor of the offloaded lane from JavaScript: to a waiting thread and back, nothing done there.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const addon = join(root, 'build', 'Release', 'out', 'trident_round_trip.node')

/** Percentiles of `count` round trips, one after another, after a tenth as many to warm up. */
export function measureRoundTrip(count = 5000) {
  const { roundTrip } = createRequire(import.meta.url)(addon)
  const times = new Float64Array(count)
  const warmUp = Math.ceil(count / 10)
  return new Promise((resolve) => {
    let done = -warmUp
    let begin = performance.now()
    const onBack = () => {
      const now = performance.now()
      if (done >= 0) times[done] = now - begin
      done += 1
      if (done === count) return resolve(summarise(times))
      begin = performance.now()
      roundTrip(onBack)
    }
    roundTrip(onBack)
  })
}

function summarise(times) {
  times.sort()
  const at = (fraction) => times[Math.floor(fraction * times.length)] * 1000
  return { calls: times.length, p50Us: at(0.5), p90Us: at(0.9), p99Us: at(0.99) }
}
