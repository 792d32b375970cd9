// What it costs to have a function as a model: bound, in a worker thread, and in another process. All
// hand their input back.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createServer, Tensor } from 'trident'
import { checkSame } from '../answers.mjs'
import { measureAsync, measureSync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { scratch } from '../paths.mjs'
import { tableOf } from '../report/format.mjs'
import { numbers } from '../workloads.mjs'

const repository = join(scratch, 'functions')
const identity = ({ x }) => ({ y: x })
const lengths = [16, 65_536]

const tensors = {
  input: [{ name: 'x', dataType: 'TYPE_FP32', dims: [-1] }],
  output: [{ name: 'y', dataType: 'TYPE_FP32', dims: [-1] }],
}
/** The models of the repository, by name. Each has a module, which those of other backends leave alone. */
const models = {
  thread: { backend: 'javascript' },
  child: { backend: 'javascript', isolation: 'process' },
  native: { backend: 'identity' },
  'native-child': { backend: 'identity', isolation: 'process' },
}

function writeModules() {
  for (const name of Object.keys(models)) {
    mkdirSync(join(repository, name, '1'), { recursive: true })
    writeFileSync(join(repository, name, '1', 'model.mjs'), `export default ${identity}\n`)
  }
}

/** A worker that sends back what it is sent, its buffer transferred or copied. */
function openWorker(transfer) {
  const list = transfer ? '[data.buffer]' : '[]'
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     parentPort.on('message', (data) => parentPort.postMessage(data, ${list}))`,
    { eval: true },
  )
  /** In the order of the questions. */
  const waiting = []
  worker.on('message', (data) => waiting.shift()(data))
  const ask = (data) =>
    new Promise((resolve) => {
      waiting.push(resolve)
      // The application keeps its own.
      if (transfer) data = data.slice()
      worker.postMessage(data, transfer ? [data.buffer] : [])
    })
  return { ask, close: () => worker.terminate() }
}

/** Everybody's call for one input, in groups that belong beside each other. */
function callsOf({ modelOf, copying, transferring }, data) {
  const x = new Tensor('FP32', data, [data.length])
  const infer = (name) => async () => (await modelOf(name).infer({ x })).y.data
  return {
    'On the same thread': [
      { name: 'the function itself', sync: true, call: () => identity({ x }).y.data },
      {
        name: 'bound, inferSync',
        sync: true,
        call: () => modelOf('bound').inferSync({ x }).y.data,
      },
      { name: 'bound, infer', call: infer('bound') },
    ],
    'In a worker thread': [
      { name: 'postMessage, copied', call: () => copying.ask(data) },
      { name: 'postMessage, transferred', call: () => transferring.ask(data) },
      { name: 'a module', call: infer('thread') },
    ],
    'In another process': [
      { name: 'identity backend, in this process', call: infer('native') },
      { name: 'identity backend, isolated', call: infer('native-child') },
      { name: 'a module, isolated', call: infer('child') },
    ],
  }
}

async function measureGroup(title, calls, { seconds, rounds, outstandings }) {
  const most = outstandings.at(-1)
  const cases = calls.flatMap((one) =>
    (one.sync ? [1] : [1, most]).map((outstanding) => ({ ...one, outstanding })),
  )
  const measure = ({ call, sync, outstanding }) =>
    sync ? measureSync(call, seconds) : measureAsync(call, outstanding, seconds)
  const rows = await measureCases(cases, measure, rounds, title)
  return rows.sort((a, b) => a.outstanding - b.outstanding)
}

function factsOf(length, rows) {
  return rows.map(({ name, outstanding, p50Us }) => [
    `functions/${length}/${name}/${outstanding}/p50Us`,
    p50Us,
  ])
}

export async function runFunctions({ plan, show }) {
  writeModules()
  const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
  const copying = openWorker(false)
  const transferring = openWorker(true)
  try {
    const x = { datatype: 'FP32', shape: [-1] }
    const byName = new Map()
    byName.set(
      'bound',
      await server.bind({ name: 'bound', inputs: { x }, outputs: { y: x } }, identity),
    )
    for (const [name, config] of Object.entries(models)) {
      byName.set(name, await server.loadModel({ name, config: { name, ...config, ...tensors } }))
    }
    const everybody = { modelOf: (name) => byName.get(name), copying, transferring }
    const tables = []
    const facts = []
    for (const length of lengths) {
      const data = numbers(length)
      for (const [title, calls] of Object.entries(callsOf(everybody, data))) {
        const answers = calls.map(async ({ name, call }) => ({ name, values: await call() }))
        checkSame(title, await Promise.all(answers))
        const rows = await measureGroup(title, calls, plan)
        const table = tableOf(`${title}, ${data.byteLength} bytes`, rows, {
          '': 'name',
          outstanding: 'outstanding',
          'p50 us': 'p50Us',
          'p99 us': 'p99Us',
          'items/s': 'perSecond',
        })
        show(table)
        tables.push(table)
        facts.push(...factsOf(length, rows))
      }
    }
    return {
      title: 'Functions as models',
      notes: [
        'Everybody hands the input back.',
        'What is transferred is a copy: the application keeps its own input.',
      ],
      tables,
      facts: Object.fromEntries(facts),
    }
  } finally {
    await Promise.all([copying.close(), transferring.close()])
    await server.close()
  }
}
