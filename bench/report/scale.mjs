// From values to places on a plot, and the values worth a mark. Pure.

function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step))
  const digit = [1, 2, 5, 10].find((candidate) => candidate * power >= step * 0.999)
  return digit * power
}

function linearTicks([low, high]) {
  const step = nice((high - low) / 5)
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step)
}

function logTicks([low, high]) {
  const ticks = []
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 1.001; power++) {
    if (10 ** power >= low * 0.999) ticks.push(10 ** power)
  }
  return ticks
}

/** From the smallest to the largest of `values`; a linear scale begins at 0, a log one at a power. */
function domainOf(values, log) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0))
  if (usable.length === 0) return [log ? 0.1 : 0, 1]
  const [low, high] = usable.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  )
  if (!log) return high > 0 ? [Math.min(0, low), high * 1.05] : [low, low + 1]
  const begin = 10 ** Math.floor(Math.log10(low) + 1e-9)
  return [begin, Math.max(10 ** Math.ceil(Math.log10(high) - 1e-9), begin * 10)]
}

/**
 * @param range where the domain's ends lie on the plot, in its own units
 * @returns { place(value), ticks, domain }
 */
export function makeScale(values, range, { log = false } = {}) {
  const domain = domainOf(values, log)
  const position = log ? Math.log10 : (value) => value
  const [from, to] = domain.map(position)
  const place = (value) =>
    range[0] + ((position(value) - from) / (to - from)) * (range[1] - range[0])
  return { place, domain, ticks: log ? logTicks(domain) : linearTicks(domain) }
}
