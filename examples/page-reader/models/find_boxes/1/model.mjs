import { Tensor } from 'trident'
import { readBoxes } from './boxes.mjs'

/** Of an empty page one blank glyph: no model takes a batch of none, and an ensemble can't leave one out. */
const blank = { boxes: new Int32Array(4), glyphs: new Uint8Array(64) }

export default ({ page }) => {
  const found = readBoxes(page.data, page.shape[1])
  const { boxes, glyphs } = found.count > 0 ? found : blank
  return {
    count: Int32Array.of(found.count),
    boxes: new Tensor('INT32', boxes, [boxes.length / 4, 4]),
    glyphs: new Tensor('UINT8', glyphs, [glyphs.length / 64, 1, 8, 8]),
  }
}
