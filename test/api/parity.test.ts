// The same model, the same library, the same batch: onnxruntime-node and Trident give the same bits.
import ort from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { createServer, type Model, type Server, Tensor } from './support/trident.js'

const batchSizes = Array.from({ length: 64 }, (_, i) => i + 1)

let server: Server
let model: Model
let session: ort.InferenceSession
beforeAll(async () => {
  server = await createServer({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
  model = await server.loadModel('digits')
  session = await ort.InferenceSession.create(digits.modelFile, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  })
})
afterAll(async () => {
  await session.release()
  await server.close()
})

/** The first `count` images, beginning at another one for each batch size. */
function imagesOf(count: number): Float32Array {
  return digits.images.slice(count * 64, 2 * count * 64)
}

async function peerLogits(count: number): Promise<Uint32Array> {
  const image = new ort.Tensor('float32', imagesOf(count), [count, 1, 8, 8])
  const { logits } = await session.run({ image })
  return bitsOf(logits!.data as Float32Array)
}

/** NaNs and signed zeros compare as what they are. */
function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}

describe('logits of digits equal those of onnxruntime-node bit for bit', () => {
  it('when the batch is one request', async () => {
    for (const count of batchSizes) {
      const image = new Tensor('FP32', imagesOf(count), [count, 1, 8, 8])
      const expected = await peerLogits(count)
      const { logits } = await model.infer({ image })
      expect(bitsOf(logits!.data as Float32Array), `batch of ${count}`).toEqual(expected)
      const sync = model.inferSync({ image })
      expect(bitsOf(sync.logits!.data as Float32Array), `batch of ${count}`).toEqual(expected)
    }
  })

  it('when the scheduler forms it from single images', async () => {
    for (const count of batchSizes) {
      const images = imagesOf(count)
      const before = await executionsOf(count)
      const answers = await Promise.all(
        Array.from({ length: count }, (_, i) =>
          model.infer({ image: images.subarray(i * 64, (i + 1) * 64) }),
        ),
      )
      expect(await executionsOf(count), `one batch of ${count}`).toBe(before + 1)
      const logits = new Float32Array(count * 10)
      answers.forEach((answer, i) => {
        logits.set(answer.logits!.data as Float32Array, i * 10)
      })
      expect(bitsOf(logits), `batch of ${count}`).toEqual(await peerLogits(count))
    }
  })
})

async function executionsOf(batchSize: number): Promise<number> {
  const { batch_stats } = await model.statistics()
  return batch_stats.find((row) => row.batch_size === batchSize)?.compute_infer.count ?? 0
}
