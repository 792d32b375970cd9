// Synthetic pages: held-out handwritten digits of the example `digits` at random places on paper
// with some grain. The same seed gives the same pages everywhere.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const side = 256
const cell = 8
/** Pixels of paper between two digits, so that none is taken for a part of the other. */
const distance = 4
/** The scanner's scale is 0 to 16; paper has less than ink. */
const grain = 1

const data = join(dirname(fileURLToPath(import.meta.url)), '..', 'digits', 'data')
const images = new Float32Array(readFileSync(join(data, 'images.f32')).buffer)
const labels = readFileSync(join(data, 'labels.u8'))

/** Integers from 0 to below `limit`: 32-bit xorshift. */
function seededRandom(seed) {
  let state = seed
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** Every digit once, in random order, again and again. */
function* shuffledDigits(random) {
  for (;;) {
    const order = Array.from(labels, (_, index) => index)
    while (order.length > 0) yield order.splice(random(order.length), 1)[0]
  }
}

function freePlace(random, taken) {
  for (;;) {
    const x = random(side - cell + 1)
    const y = random(side - cell + 1)
    const near = (other) =>
      Math.abs(other.x - x) < cell + distance && Math.abs(other.y - y) < cell + distance
    if (!taken.some(near)) return { x, y }
  }
}

function draw(pixels, index, { x, y }) {
  for (let row = 0; row < cell; row++) {
    for (let column = 0; column < cell; column++) {
      const level = Math.round(images[(index * cell + row) * cell + column] * 16)
      const at = (y + row) * side + x + column
      pixels[at] = Math.max(pixels[at], level)
    }
  }
}

/** A page of `count` digits: its pixels, and of each digit its place and what it is. */
function newPage(count, random, indices) {
  const pixels = Uint8Array.from({ length: side * side }, () => random(grain + 1))
  const digits = []
  while (digits.length < count) {
    const place = freePlace(random, digits)
    const index = indices.next().value
    draw(pixels, index, place)
    digits.push({ ...place, label: labels[index] })
  }
  return { pixels, digits }
}

/** Pages with `total` digits, each with up to `most`, some with none. */
export function makePages({ seed, total, most }) {
  const random = seededRandom(seed)
  const indices = shuffledDigits(random)
  const pages = []
  for (let left = total; left > 0; left -= pages.at(-1).digits.length) {
    pages.push(newPage(Math.min(left, random(most + 1)), random, indices))
  }
  return pages
}

/** One page with that many. */
export function makePage({ seed, count }) {
  const random = seededRandom(seed)
  return newPage(count, random, shuffledDigits(random))
}
