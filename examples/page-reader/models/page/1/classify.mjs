import { Tensor } from 'trident'

const pixels = 64
const classes = 10
/** What `normalise` and `digits` take at once. */
const limit = 64

/**
 * The logits of glyphs, however many, all parts at the same time.
 *
 * @param infer runs a model: (name, inputs) => outputs
 */
export async function classify(glyphs, infer) {
  const count = glyphs.length / pixels
  const logits = new Float32Array(count * classes)
  const part = async (begin) => {
    const end = Math.min(begin + limit, count)
    const raw = glyphs.subarray(begin * pixels, end * pixels)
    const { image } = await infer('normalise', {
      raw: new Tensor('UINT8', raw, [end - begin, 1, 8, 8]),
    })
    logits.set((await infer('digits', { image })).logits.data, begin * classes)
  }
  const begins = Array.from({ length: Math.ceil(count / limit) }, (_, index) => index * limit)
  await Promise.all(begins.map(part))
  return new Tensor('FP32', logits, [count, classes])
}
