const classes = 10

function mostLikely(logits) {
  return logits.indexOf(Math.max(...logits))
}

/** What a page says: the digits of the first `count` boxes, in the order of the boxes, and their sum. */
export function aggregate(logits, boxes, count) {
  const digits = Int32Array.from({ length: count }, (_, index) =>
    mostLikely(logits.subarray(index * classes, (index + 1) * classes)),
  )
  const sum = digits.reduce((total, digit) => total + digit, 0)
  return { digits, boxes: boxes.subarray(0, 4 * count), sum }
}
