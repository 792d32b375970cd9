// Classifies 360 held-out images of handwritten digits, each as a request of its own: first from
// ordinary arrays, then from shared memory. Exits with 1 unless the answers are the recorded ones.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createServer, SharedMemory, Tensor } from 'trident'

const folder = dirname(fileURLToPath(import.meta.url))
const rounds = 20
const pixels = 64
const classes = 10
const imageBytes = pixels * 4
const logitsBytes = classes * 4
/** How far a logit may be from the recorded one. */
const tolerance = 1e-4

function readFloats(name) {
  const bytes = readFileSync(join(folder, 'data', name))
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

const { count, accuracy: recordedAccuracy } = JSON.parse(
  readFileSync(join(folder, 'data', 'meta.json'), 'utf8'),
)
const images = readFloats('images.f32')
const labels = readFileSync(join(folder, 'data', 'labels.u8'))
const recorded = readFloats('logits.f32')

/** Sends all images at once, each alone, and waits for all answers. */
async function classifyAll(classifyOne, latencies) {
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const begin = performance.now()
      await classifyOne(index)
      latencies.push(performance.now() - begin)
    }),
  )
}

function check(title, logits) {
  let right = 0
  let largestError = 0
  for (let index = 0; index < count; index++) {
    const row = logits.subarray(index * classes, (index + 1) * classes)
    if (row.indexOf(Math.max(...row)) === labels[index]) right++
    for (let i = 0; i < classes; i++) {
      // Not Math.max: it would hide that a logit is no number.
      const error = Math.abs(row[i] - recorded[index * classes + i])
      if (!(error <= largestError)) largestError = error
    }
  }
  const accuracy = right / count
  const ok = accuracy === recordedAccuracy && largestError <= tolerance
  console.log(`\n${title}`)
  console.log(
    `  accuracy       ${(accuracy * 100).toFixed(2)} % (${right} of ${count}), ` +
      `logits within ${largestError.toExponential(1)} of the recorded ones: ${ok ? 'ok' : 'WRONG'}`,
  )
  return ok
}

/** Batch sizes executed between two looks at a model's statistics, as [size, batches]. */
function histogram(before, after) {
  const countOf = (statistics, size) =>
    statistics.batch_stats.find((row) => row.batch_size === size)?.compute_infer.count ?? 0
  return after.batch_stats
    .map(({ batch_size: size }) => [size, countOf(after, size) - countOf(before, size)])
    .filter(([, batches]) => batches > 0)
}

function printHistogram(rows) {
  const total = rows.reduce((sum, [, batches]) => sum + batches, 0)
  const text = rows.map(([size, batches]) => `${size} x ${batches}`).join(', ')
  console.log(`  batches        ${total} (size x times: ${text})`)
}

function printTimes(latencies, elapsedMs, loopDelay) {
  latencies.sort((a, b) => a - b)
  const at = (fraction) => latencies[Math.floor(fraction * (latencies.length - 1))].toFixed(2)
  const perSecond = Math.round((latencies.length / elapsedMs) * 1000)
  console.log(`  latency        p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${count} outstanding`)
  console.log(`  throughput     ${perSecond.toLocaleString('en')} images per second`)
  const ms = (ns) => `${(ns / 1e6).toFixed(2)} ms`
  console.log(
    `  event loop     a 1 ms timer came after p50 ${ms(loopDelay.percentile(50))}, ` +
      `p99 ${ms(loopDelay.percentile(99))}, at most ${ms(loopDelay.max)}`,
  )
}

/** One way to send images: many rounds of it, measured, then its answers checked. */
async function demonstrate(title, model, classifyOne, readLogits) {
  await classifyAll(classifyOne, []) // code and memory warm up
  const latencies = []
  const before = await model.statistics()
  const loopDelay = monitorEventLoopDelay({ resolution: 1 })
  loopDelay.enable()
  const begin = performance.now()
  for (let round = 0; round < rounds; round++) {
    await classifyAll(classifyOne, latencies)
    await nextTurn() // as between two requests from outside
  }
  const elapsedMs = performance.now() - begin
  loopDelay.disable()
  const ok = check(title, readLogits())
  printHistogram(histogram(before, await model.statistics()))
  printTimes(latencies, elapsedMs, loopDelay)
  return ok
}

async function fromArrays(model) {
  const answers = new Float32Array(count * classes)
  const classifyOne = async (index) => {
    const image = images.subarray(index * pixels, (index + 1) * pixels)
    const { logits } = await model.infer({ image: new Tensor('FP32', image, [1, 1, 8, 8]) })
    answers.set(logits.data, index * classes)
  }
  return demonstrate('from arrays, one request per image', model, classifyOne, () => answers)
}

async function fromSharedMemory(model) {
  const region = SharedMemory.create(`/trident-digits-${process.pid}`, {
    byteSize: count * (imageBytes + logitsBytes),
  })
  try {
    region.write(0, images)
    const requests = Array.from({ length: count }, (_, index) => ({
      image: region.tensor('FP32', [1, 1, 8, 8], { offset: index * imageBytes }),
      logits: region.tensor('FP32', [1, classes], {
        offset: count * imageBytes + index * logitsBytes,
      }),
    }))
    const classifyOne = (index) => {
      const { image, logits } = requests[index]
      return model.infer({ image }, { outputs: { logits } })
    }
    const readLogits = () => {
      const answers = new Float32Array(count * classes)
      region.read(count * imageBytes, answers)
      return answers
    }
    return await demonstrate(
      'from shared memory to shared memory, one request per image',
      model,
      classifyOne,
      readLogits,
    )
  } finally {
    region.close()
  }
}

const server = await createServer({
  modelRepository: join(folder, 'models'),
  modelControl: 'explicit',
})
try {
  const model = await server.loadModel('digits')
  const results = [await fromArrays(model), await fromSharedMemory(model)]
  process.exitCode = results.every(Boolean) ? 0 : 1
} finally {
  await server.close()
}
