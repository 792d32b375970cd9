// Whether two answers are the same but for rounding.

const tolerance = 1e-4
const comparedValues = 16

const largestOf = (numbers) => numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** The largest difference as a share of the largest number expected; NaN if one is not a number. */
export function distance(numbers, expected) {
  if (numbers.length !== expected.length) return Infinity
  return largestOf(numbers.map((value, i) => value - expected[i])) / (largestOf(expected) || 1)
}

/** @param answers [{ name, values }]: throws unless all are those of the last one */
export function checkSame(what, answers) {
  const firstOf = ({ values }) => Array.from(values).slice(0, comparedValues)
  const expected = firstOf(answers.at(-1))
  for (const answer of answers) {
    const values = firstOf(answer)
    if (distance(values, expected) <= tolerance) continue
    throw new Error(`${what}: ${answer.name} gives ${values}, ${answers.at(-1).name} ${expected}`)
  }
}
