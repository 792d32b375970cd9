// Rounds: everybody is measured in turn, several times, so that a slow minute hits all alike.

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Field by field, the median of several summaries; histograms are added up, and of what is called
 * worst the worst counts.
 */
export function medianOf(summaries) {
  const entries = Object.keys(summaries[0]).map((key) => {
    const values = summaries.map((summary) => summary[key])
    if (key.startsWith('worst')) return [key, Math.max(...values)]
    if (!Array.isArray(values[0])) return [key, median(values)]
    return [key, values[0].map((_, bin) => values.reduce((sum, bins) => sum + bins[bin], 0))]
  })
  return Object.fromEntries(entries)
}

/** Long runs say where they are, on the error stream so that the tables can be piped. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/**
 * Calls each of `measurements`, functions of the round that give summaries, `rounds` times in turn.
 *
 * @returns a summary for each: the medians of its rounds
 */
export async function inRounds(measurements, rounds, what) {
  const summaries = measurements.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, measure] of measurements.entries()) {
      progress(`${what}: round ${round + 1} of ${rounds}, ${index + 1} of ${measurements.length}`)
      summaries[index].push(await measure(round))
    }
  }
  progress('')
  return summaries.map(medianOf)
}

/** @returns the cases, each with the medians of what `measure(case, round)` gave */
export async function measureCases(cases, measure, rounds, what) {
  const measurements = cases.map((one) => (round) => measure(one, round))
  const summaries = await inRounds(measurements, rounds, what)
  return cases.map((one, i) => ({ ...one, ...summaries[i] }))
}
