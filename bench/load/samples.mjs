// Times of single calls, and what they come to: percentiles and a histogram.

/** Bins of a histogram: this many per decade, the first one begins at `firstBinUs`. */
export const binsPerDecade = 10
export const firstBinUs = 0.1
const binCount = 8 * binsPerDecade

/** The smallest of `sorted` that `fraction` of all values do not exceed. */
export function percentile(sorted, fraction) {
  if (sorted.length === 0) return Number.NaN
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))]
}

function binOf(us) {
  const bin = Math.floor(Math.log10(us / firstBinUs) * binsPerDecade)
  return Math.min(binCount - 1, Math.max(0, bin))
}

/** Where bin number `bin` begins, in microseconds. */
export function binBegin(bin) {
  return firstBinUs * 10 ** (bin / binsPerDecade)
}

/** Grows as needed; a plain array of doubles would be boxed and slow the loop it measures. */
export class Samples {
  #values = new Float64Array(1 << 16)
  #count = 0

  get count() {
    return this.#count
  }

  /** @param ms milliseconds, as performance.now() gives them */
  add(ms) {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#count++] = ms
  }

  /** Percentiles in microseconds, calls per second of the time given, and counts by bin. */
  summarise(elapsedMs) {
    const sorted = this.#values.subarray(0, this.#count).sort()
    const at = (fraction) => percentile(sorted, fraction) * 1000
    const histogram = new Array(binCount).fill(0)
    for (const ms of sorted) histogram[binOf(ms * 1000)] += 1
    return {
      calls: this.#count,
      p50Us: at(0.5),
      p90Us: at(0.9),
      p99Us: at(0.99),
      perSecond: (this.#count / elapsedMs) * 1000,
      histogram,
    }
  }
}
