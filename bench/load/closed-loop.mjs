// Closed loop: a number of calls outstanding all the time.
import { performance } from 'node:perf_hooks'
import { Samples } from './samples.mjs'

/** Calls a synchronous function back to back, after a warm-up of a tenth of the time. */
export function measureSync(call, seconds) {
  const samples = new Samples()
  const warm = performance.now() + seconds * 100
  while (performance.now() < warm) call()
  const begin = performance.now()
  const end = begin + seconds * 1000
  let now = begin
  while (now < end) {
    call()
    const after = performance.now()
    samples.add(after - now)
    now = after
  }
  return samples.summarise(now - begin)
}

/**
 * Keeps `outstanding` calls of an asynchronous function going. Counted are the calls that end
 * within the time after the warm-up; the time is longer if fewer than `outstanding` would.
 */
export async function measureAsync(call, outstanding, seconds) {
  const samples = new Samples()
  const warm = performance.now() + seconds * 100
  const end = warm + seconds * 1000
  let last = end
  let stopped = false
  const client = async () => {
    while (!stopped) {
      const sent = performance.now()
      await call()
      const now = performance.now()
      if (stopped || now < warm) continue
      stopped = now >= end && samples.count >= outstanding
      if (stopped) return
      samples.add(now - sent)
      last = Math.max(last, now)
    }
  }
  await Promise.all(Array.from({ length: outstanding }, client))
  return samples.summarise(last - warm)
}
