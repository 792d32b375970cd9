// Reads 360 held-out images of handwritten digits row by row, each as a sequence of eight requests
// to a recurrent model whose state the server keeps: first with slots for sequences (the direct
// strategy), then oldest request first. Exits with 1 unless the answers are the recorded ones.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { createServer, Tensor } from 'trident'

const folder = dirname(fileURLToPath(import.meta.url))
const rowsPerImage = 8
const pixelsPerRow = 8
const classes = 10
/** How far a logit may be from the recorded one. */
const tolerance = 1e-4
/** How many of the images the recorded logits classify correctly. */
const recordedRight = 347

function readFloats(path) {
  const bytes = readFileSync(join(folder, path))
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

const images = readFloats('../digits/data/images.f32')
const labels = readFileSync(join(folder, '../digits/data/labels.u8'))
const recorded = readFloats('data/logits.f32')
const count = labels.length

function rowOf(image, row) {
  const begin = (image * rowsPerImage + row) * pixelsPerRow
  return new Tensor('FP32', images.subarray(begin, begin + pixelsPerRow), [1, pixelsPerRow])
}

/** What the model thinks of an image after its last row. */
async function read(model, image) {
  const eye = model.sequence()
  // Nobody waits for the answers on the way: requests of a sequence stay in order by themselves.
  const onTheWay = []
  for (let row = 0; row + 1 < rowsPerImage; row++)
    onTheWay.push(eye.next({ row: rowOf(image, row) }))
  const last = eye.end({ row: rowOf(image, rowsPerImage - 1) })
  await Promise.all(onTheWay)
  return (await last).logits.data
}

function check(answers) {
  let right = 0
  let largestError = 0
  answers.forEach((logits, image) => {
    if (logits.indexOf(Math.max(...logits)) === labels[image]) right++
    for (let i = 0; i < classes; i++) {
      // Not Math.max: it would hide that a logit is no number.
      const error = Math.abs(logits[i] - recorded[image * classes + i])
      if (!(error <= largestError)) largestError = error
    }
  })
  const ok = right === recordedRight && largestError <= tolerance
  console.log(
    `  accuracy    ${((right / count) * 100).toFixed(2)} % (${right} of ${count}), ` +
      `logits within ${largestError.toExponential(1)} of the recorded ones: ${ok ? 'ok' : 'WRONG'}`,
  )
  return ok
}

async function demonstrate(title, model) {
  console.log(`\n${title}`)
  const begin = performance.now()
  const answers = await Promise.all(Array.from(labels, (_, image) => read(model, image)))
  const elapsedMs = performance.now() - begin
  const { inference_count: rows, execution_count: batches } = await model.statistics()
  console.log(`  ${rows} rows of ${count} images at once, in ${batches} batches`)
  console.log(
    `  throughput  ${Math.round((rows / elapsedMs) * 1000).toLocaleString('en')} rows per second`,
  )
  return check(answers)
}

const server = await createServer({
  modelRepository: join(folder, 'models'),
  modelControl: 'explicit',
})
try {
  const direct = await server.loadModel('digit_rows')
  const config = await direct.config()
  const directOk = await demonstrate('direct: every image has a slot of the batch', direct)

  const { direct: _, ...sequenceBatching } = config.sequenceBatching
  sequenceBatching.oldest = { maxCandidateSequences: 64 }
  const oldest = await server.loadModel({
    name: 'digit_rows',
    config: { ...config, sequenceBatching },
  })
  const oldestOk = await demonstrate('oldest: batches of the rows that came first', oldest)
  process.exitCode = directOk && oldestOk ? 0 : 1
} finally {
  await server.close()
}
