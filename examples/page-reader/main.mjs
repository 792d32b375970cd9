// Reads 2,000 handwritten digits from pages on which they are anywhere, with the same pipeline three
// times: as an ensemble, as code in the server, and as code of the application. Then all of it again
// with its models in processes of their own. Exits with 1 unless at least 97 % are read right and
// all answers are the same.
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { createServer, Tensor } from 'trident'
import { aggregate } from './models/aggregate/1/reading.mjs'
import { readBoxes } from './models/find_boxes/1/boxes.mjs'
import { classify } from './models/page/1/classify.mjs'
import { makePage, makePages, side } from './pages.mjs'

const folder = dirname(fileURLToPath(import.meta.url))
const wantedAccuracy = 0.97
/** Pages that are read at the same time. */
const outstanding = 16
const parts = ['find_boxes', 'normalise', 'digits', 'aggregate']

const pages = makePages({ seed: 2026, total: 2000, most: 12 })
const digitCount = pages.reduce((sum, { digits }) => sum + digits.length, 0)
/** More than the models take at once. */
const crowded = makePage({ seed: 7, count: 100 })

// The three ways ----------------------------------------------------------------------------------

const inServer =
  (model) =>
  async (server, { pixels }) => {
    const page = new Tensor('UINT8', pixels, [side, side])
    const { digits, boxes, sum } = await server.model(model).infer({ page })
    return { digits: digits.data, boxes: boxes.data, sum: sum.data[0] }
  }

async function onHost(server, { pixels }) {
  const { count, boxes, glyphs } = readBoxes(pixels, side)
  if (count === 0) return { digits: new Int32Array(0), boxes, sum: 0 }
  const logits = await classify(glyphs, (model, inputs) => server.model(model).infer(inputs))
  return aggregate(logits.data, boxes, count)
}

const ways = {
  ensemble: inServer('page_ensemble'),
  code: inServer('page'),
  host: onHost,
}

// What is measured --------------------------------------------------------------------------------

/** Reads all pages, some at a time; the answers are in the order of the pages. */
async function readAll(read) {
  const answers = new Array(pages.length)
  const latencies = []
  let next = 0
  const reader = async () => {
    while (next < pages.length) {
      const index = next++
      const begin = performance.now()
      answers[index] = await read(pages[index])
      latencies.push(performance.now() - begin)
    }
  }
  await Promise.all(Array.from({ length: outstanding }, reader))
  return { answers, latencies: latencies.sort((a, b) => a - b) }
}

/** A digit is read when there is one box with its middle in the digit's place, and of its class. */
function isRead({ x, y, label }, { digits, boxes }) {
  const within = (begin, last, place) => Math.abs((begin + last + 1) / 2 - (place + 4)) <= 4
  const found = [...digits].filter((_, index) => {
    const [left, top, right, bottom] = boxes.subarray(4 * index, 4 * index + 4)
    return within(left, right, x) && within(top, bottom, y)
  })
  return found.length === 1 && found[0] === label
}

function countRead(answers) {
  return pages.reduce(
    (sum, { digits }, index) =>
      sum + digits.filter((digit) => isRead(digit, answers[index])).length,
    0,
  )
}

/** As text, for comparisons. */
function asText({ digits, boxes, sum }) {
  return `${digits} at ${boxes}: ${sum}`
}

/** Of the digits model, so far. */
async function countBatches(server) {
  const { inference_count: items, execution_count: batches } = await server
    .model('digits')
    .statistics()
  return { items, batches }
}

async function measure(server, read) {
  await Promise.all(pages.slice(0, outstanding).map((page) => read(server, page))) // warm up
  const before = await countBatches(server)
  const { answers, latencies } = await readAll((page) => read(server, page))
  const after = await countBatches(server)
  return {
    answers: answers.map(asText),
    right: countRead(answers),
    at: (fraction) => latencies[Math.floor(fraction * (latencies.length - 1))],
    perBatch: (after.items - before.items) / (after.batches - before.batches),
  }
}

function printRow(cells) {
  const widths = [10, 14, 20, 10, 10, 18]
  console.log(
    cells
      .map((cell, index) => cell.padEnd(widths[index]))
      .join('')
      .trimEnd(),
  )
}

// The run -----------------------------------------------------------------------------------------

/** Loads a model anew with its own configuration and `changes`. */
async function reload(server, name, changes) {
  await server.loadModel({ name, config: { ...(await server.modelConfig(name)), ...changes } })
}

/** An ensemble can't cut what is too much for a model; code can. */
async function readsCrowded(server) {
  const answers = await Promise.all([ways.code(server, crowded), ways.host(server, crowded)])
  const refused = await ways.ensemble(server, crowded).catch(({ code }) => code)
  return (
    asText(answers[0]) === asText(answers[1]) &&
    answers[0].digits.length === crowded.digits.length &&
    refused === 'INVALID_ARG'
  )
}

/**
 * Reads everything in every way, and prints a row for each.
 *
 * @param where the models run
 * @returns the answers, and whether all is well with them
 */
async function readEverything(server, where) {
  const measured = []
  for (const [way, read] of Object.entries(ways)) {
    const { answers, right, at, perBatch } = await measure(server, read)
    measured.push({ answers, ok: right >= wantedAccuracy * digitCount })
    printRow([
      way,
      where,
      `${right} (${((100 * right) / digitCount).toFixed(2)} %)`,
      `${at(0.5).toFixed(2)} ms`,
      `${at(0.99).toFixed(2)} ms`,
      perBatch.toFixed(1),
    ])
  }
  const [{ answers }] = measured
  const same = measured.every((one) => one.answers.every((text, index) => text === answers[index]))
  return { answers, ok: same && measured.every(({ ok }) => ok) && (await readsCrowded(server)) }
}

const server = await createServer({
  modelRepository: ['.', '../ensemble', '../digits'].map((path) => join(folder, path, 'models')),
  modelControl: 'explicit',
  startupModels: [...parts, 'page', 'page_ensemble'],
})
try {
  // Boxes of several pages make a batch, when they come within half a millisecond.
  await reload(server, 'digits', { dynamicBatching: { maxQueueDelayMicroseconds: 500 } })
  const empty = pages.filter(({ digits }) => digits.length === 0).length
  console.log(`${digitCount} digits on ${pages.length} pages, of which ${empty} are empty\n`)
  printRow(['pipeline', 'models run in', 'digits right', 'median', 'p99', 'digits per batch'])
  const together = await readEverything(server, 'this process')
  for (const name of parts) await reload(server, name, { isolation: 'process' })
  const apart = await readEverything(server, 'own processes')
  const ok =
    together.ok &&
    apart.ok &&
    apart.answers.every((text, index) => text === together.answers[index])
  console.log(
    `\nat least ${wantedAccuracy * 100} % right, the same answers everywhere: ${ok ? 'ok' : 'WRONG'}`,
  )
  process.exitCode = ok ? 0 : 1
} finally {
  await server.close()
}
