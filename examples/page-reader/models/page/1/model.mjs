import { Tensor } from 'trident'
import { classify } from './classify.mjs'

export default async ({ page }, context) => {
  const infer = (model, inputs) => context.infer(model, inputs)
  const { count, boxes, glyphs } = await infer('find_boxes', { page })
  if (count.data[0] === 0) {
    return {
      digits: new Int32Array(0),
      boxes: new Tensor('INT32', new Int32Array(0), [0, 4]),
      sum: Int32Array.of(0),
    }
  }
  const logits = await classify(glyphs.data, infer)
  return infer('aggregate', { logits, boxes, count })
}
