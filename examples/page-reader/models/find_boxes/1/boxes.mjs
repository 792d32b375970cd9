// Finds what is written on a page, and cuts it out for the digits model.

/** Paper has less. */
const ink = 2
/** The parts of a digit are at most so many pixels apart. */
const reach = 3
const cell = 8

/**
 * @param pixels of a page, row by row
 * @returns boxes, each { left, top, right, bottom } with its last pixels, in the order of their tops
 */
function findBoxes(pixels, width) {
  const height = pixels.length / width
  const seen = new Uint8Array(pixels.length)
  const boxes = []
  for (let start = 0; start < pixels.length; start++) {
    if (pixels[start] >= ink && seen[start] === 0) boxes.push(follow(start))
  }
  return boxes

  /** The box around all ink that can be reached from a pixel. */
  function follow(start) {
    const box = { left: width, top: height, right: -1, bottom: -1 }
    const open = [start]
    seen[start] = 1
    while (open.length > 0) {
      const at = open.pop()
      const x = at % width
      const y = (at - x) / width
      box.left = Math.min(box.left, x)
      box.top = Math.min(box.top, y)
      box.right = Math.max(box.right, x)
      box.bottom = Math.max(box.bottom, y)
      for (let j = Math.max(0, y - reach); j <= Math.min(height - 1, y + reach); j++) {
        for (let i = Math.max(0, x - reach); i <= Math.min(width - 1, x + reach); i++) {
          const next = j * width + i
          if (pixels[next] < ink || seen[next] !== 0) continue
          seen[next] = 1
          open.push(next)
        }
      }
    }
    return box
  }
}

/** Where the ink of a row of columns has its middle, in pixels from the left of the box. */
function middleOfInk(pixels, width, box) {
  let sum = 0
  let weighted = 0
  for (let y = box.top; y <= box.bottom; y++) {
    for (let x = box.left; x <= box.right; x++) {
      const level = pixels[y * width + x]
      if (level < ink) continue
      sum += level
      weighted += level * (x - box.left + 0.5)
    }
  }
  return weighted / sum
}

/**
 * Draws what is in a box into a cell, as the digits model knows it: as high as the cell, the middle
 * of its ink in the middle. That is between two columns as a rule, to which each pixel then gives.
 */
function cut(pixels, width, box, glyph) {
  const room = Math.max(0, cell - (box.right - box.left + 1))
  const shift = Math.min(room, Math.max(0, cell / 2 - middleOfInk(pixels, width, box)))
  const column = Math.floor(shift)
  const share = shift - column
  for (let row = 0; row < Math.min(cell, box.bottom - box.top + 1); row++) {
    for (let x = 0; x < cell - column && box.left + x <= box.right; x++) {
      const level = pixels[(box.top + row) * width + box.left + x]
      if (level < ink) continue
      const at = row * cell + column + x
      glyph[at] += level * (1 - share)
      if (column + x + 1 < cell) glyph[at + 1] += level * share
    }
  }
}

/** What is written on a page: boxes [count, 4] as left, top, right, bottom, and glyphs [count, 1, 8, 8]. */
export function readBoxes(pixels, width) {
  const found = findBoxes(pixels, width)
  const boxes = Int32Array.from(
    found.flatMap(({ left, top, right, bottom }) => [left, top, right, bottom]),
  )
  const glyphs = new Uint8Array(found.length * cell * cell)
  const glyph = new Float32Array(cell * cell)
  found.forEach((box, index) => {
    cut(pixels, width, box, glyph.fill(0))
    glyphs.set(glyph.map(Math.round), index * glyph.length)
  })
  return { count: found.length, boxes, glyphs }
}
