// Classifies 360 held-out scans of handwritten digits, bytes in and digits out: an ensemble of three
// models. Exits with 1 unless every answer is the recorded one.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { createServer, Tensor } from 'trident'

const folder = dirname(fileURLToPath(import.meta.url))
const digits = join(folder, '..', 'digits')
const pixels = 64
const classes = 10
/** How far a logit may be from the recorded one. */
const tolerance = 1e-4

function readFloats(name) {
  const bytes = readFileSync(join(digits, 'data', name))
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

// The scanner's own scale is 0 to 16.
const scans = Uint8Array.from(readFloats('images.f32'), (level) => Math.round(level * 16))
const labels = readFileSync(join(digits, 'data', 'labels.u8'))
const recorded = readFloats('logits.f32')
const count = labels.length

function recordedAnswer(index) {
  const row = recorded.subarray(index * classes, (index + 1) * classes)
  return { row, digit: row.indexOf(Math.max(...row)) }
}

async function classify(model, index) {
  const scan = scans.subarray(index * pixels, (index + 1) * pixels)
  const { digit, logits } = await model.infer({ scan: new Tensor('UINT8', scan, [1, 1, 8, 8]) })
  const expected = recordedAnswer(index)
  const close = logits.data.every((logit, i) => Math.abs(logit - expected.row[i]) <= tolerance)
  return { digit: Number(digit.data[0]), ok: close && Number(digit.data[0]) === expected.digit }
}

const server = await createServer({
  modelRepository: [join(folder, 'models'), join(digits, 'models')],
  modelControl: 'explicit',
})
try {
  const model = await server.loadModel('classify') // and with it the models of its steps
  const begin = performance.now()
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) => classify(model, index)),
  )
  const elapsedMs = performance.now() - begin
  const right = answers.filter(({ digit }, index) => digit === labels[index]).length
  const ok = answers.every((answer) => answer.ok)
  console.log(
    `accuracy  ${((right / count) * 100).toFixed(2)} % (${right} of ${count}), ` +
      `every answer as recorded: ${ok ? 'ok' : 'WRONG'}`,
  )
  console.log(`time      ${elapsedMs.toFixed(1)} ms for ${count} requests sent at once`)
  for (const name of ['classify', 'normalise', 'digits', 'top1']) {
    const statistics = await server.model(name).statistics()
    console.log(
      `${name.padEnd(10)}${statistics.inference_count} images in ` +
        `${statistics.execution_count} executions`,
    )
  }
  process.exitCode = ok ? 0 : 1
} finally {
  await server.close()
}
