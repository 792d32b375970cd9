// The floor of the offloaded lane from JavaScript: to a waiting thread and back, nothing done there.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { out } from '../paths.mjs'
import { Samples } from './samples.mjs'

function timeRoundTrips(roundTrip, count) {
  const samples = new Samples()
  const begin = performance.now()
  return new Promise((resolve) => {
    let sent = begin
    const onBack = () => {
      const now = performance.now()
      samples.add(now - sent)
      if (samples.count === count) return resolve(samples.summarise(now - begin))
      sent = performance.now()
      roundTrip(onBack)
    }
    roundTrip(onBack)
  })
}

/** `count` round trips, one after another, after a tenth as many to warm up. */
export async function measureRoundTrip(count) {
  const { roundTrip } = createRequire(import.meta.url)(join(out, 'trident_round_trip.node'))
  await timeRoundTrips(roundTrip, Math.ceil(count / 10))
  return timeRoundTrips(roundTrip, count)
}
