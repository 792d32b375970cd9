// When requests arrive, and for which model: random, and the same for the same seed.

/** Numbers in [0, 1): a 32-bit xorshift, the same on every machine. */
export function seededRandom(seed) {
  if (!Number.isInteger(seed)) throw new TypeError(`a seed is an integer, not ${seed}`)
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** Times in milliseconds of a Poisson process of `rate` per second, in order. */
export function poissonArrivals(rate, seconds, random) {
  const times = []
  for (let at = 0; ; ) {
    at -= (Math.log(1 - random()) / rate) * 1000
    if (at >= seconds * 1000) return Float64Array.from(times)
    times.push(at)
  }
}

/**
 * On and off: `rate` per second on average, all of it in the first `onShare` of each period, where
 * requests arrive as a Poisson process.
 */
export function burstArrivals(rate, seconds, random, { periodMs = 100, onShare = 0.5 } = {}) {
  const onMs = periodMs * onShare
  const dense = poissonArrivals(rate / onShare, seconds * onShare, random)
  return dense.map((at) => Math.floor(at / onMs) * periodMs + (at % onMs))
}

/** A function that picks 0 to n - 1; the k-th is 1 / k as likely as the first. */
export function zipf(n, random) {
  const sums = new Float64Array(n)
  let total = 0
  for (let i = 0; i < n; i++) sums[i] = total += 1 / (i + 1)
  return () => {
    const wanted = random() * total
    let [low, high] = [0, n - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle] > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}
