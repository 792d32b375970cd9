/** Letters to insert, delete or change to make one word the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; ++row) {
    const here = [row]
    for (let column = 1; column <= b.length; ++column) {
      const changed = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      here.push(Math.min(changed, above[column]! + 1, here[column - 1]! + 1))
    }
    above = here
  }
  return above[b.length]!
}

/** Throws a TypeError for a key of `value` that `allowed` lacks, naming the nearest allowed one. */
export function checkKeys(value: object, allowed: readonly string[], what: string): void {
  // Runs for every request with options: for..in makes no list of the keys.
  for (const key in value) {
    if (!allowed.includes(key) && Object.hasOwn(value, key)) throw unknownKey(key, allowed, what)
  }
}

function unknownKey(key: string, allowed: readonly string[], what: string): TypeError {
  const written = key.slice(0, 64) // it may be any text, of any length
  let nearest = ''
  let least = Number.POSITIVE_INFINITY
  for (const name of allowed) {
    const distance = editDistance(written.toLowerCase(), name.toLowerCase())
    if (distance < least) {
      nearest = name
      least = distance
    }
  }
  return new TypeError(`${what} has no option '${written}': did you mean '${nearest}'?`)
}
