// Latency percentiles and throughput of one call, with a number of them outstanding all the time.
import { performance } from 'node:perf_hooks'

/** Grows as needed; a plain array of doubles would be boxed and slow the loop it measures. */
class Samples {
  #values = new Float64Array(1 << 16)
  #count = 0

  add(value) {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#count++] = value
  }

  summarise(elapsedMs) {
    const sorted = this.#values.subarray(0, this.#count).sort()
    const at = (fraction) => sorted[Math.min(this.#count - 1, Math.floor(fraction * this.#count))]
    return {
      calls: this.#count,
      p50Us: at(0.5) * 1000,
      p90Us: at(0.9) * 1000,
      p99Us: at(0.99) * 1000,
      perSecond: (this.#count / elapsedMs) * 1000,
    }
  }
}

/** Calls a synchronous function back to back. */
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

/** Keeps `outstanding` calls of an asynchronous function going. */
export async function measureAsync(call, outstanding, seconds) {
  const samples = new Samples()
  const warm = performance.now() + seconds * 100
  const end = warm + seconds * 1000
  let counted = 0
  let last = warm
  const client = async () => {
    for (let now = performance.now(); now < end; ) {
      await call()
      const after = performance.now()
      if (now >= warm) {
        samples.add(after - now)
        counted += 1
      }
      last = after
      now = after
    }
  }
  await Promise.all(Array.from({ length: outstanding }, client))
  if (counted === 0) throw new Error('no call ended within the measured time')
  return samples.summarise(last - warm)
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Field by field, the median of several summaries. */
export function medianOf(summaries) {
  const entries = Object.keys(summaries[0]).map((key) => [
    key,
    median(summaries.map((summary) => summary[key])),
  ])
  return Object.fromEntries(entries)
}
