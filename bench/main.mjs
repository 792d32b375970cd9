// The benchmark: single operations, then the table. Results also go to bench/results as JSON.
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createServer } from 'trident'
import { runIdle } from './idle.mjs'
import { runMicro } from './micro.mjs'
import { runQueue } from './queue.mjs'
import { ratiosOf, runTable } from './table.mjs'
import { repository, workloads, writeRepository } from './workloads.mjs'

const require = createRequire(import.meta.url)

const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    models: { type: 'string' },
  },
})

const plan = args.quick
  ? { rounds: 1, seconds: 0.3, outstandings: [1, 64], microSeconds: 0.3 }
  : { rounds: 5, seconds: 1, outstandings: [1, 8, 64, 256], microSeconds: 2 }

function select(names) {
  if (!names) return workloads
  return names.split(',').map((name) => {
    const found = workloads.find((workload) => workload.name === name)
    if (!found) throw new Error(`no model '${name}'; there are ${workloads.map((w) => w.name)}`)
    return found
  })
}

function describeMachine() {
  const version = (name) => require(`${name}/package.json`).version
  return {
    date: new Date().toISOString(),
    node: process.version,
    trident: version('trident'),
    onnxruntimeNode: version('onnxruntime-node'),
    cpu: cpus()[0]?.model,
    cpus: availableParallelism(),
  }
}

function save(results) {
  const folder = join(dirname(fileURLToPath(import.meta.url)), 'results')
  mkdirSync(folder, { recursive: true })
  const text = `${JSON.stringify(results, null, 2)}\n`
  const stamp = results.machine.date.replaceAll(/[:.]/g, '-')
  for (const name of [`${stamp}.json`, 'latest.json']) writeFileSync(join(folder, name), text)
  console.log(`\nwritten to bench/results/${stamp}.json and latest.json`)
}

const percent = (ratio) => `${(ratio * 100).toFixed(0)} %`

function printRatios(ratios) {
  console.log(`
digits beside onnxruntime-node in this run
  p50 of inferSync            ${percent(ratios.inferSyncP50ToOrtNode)} of its run()
  p50 of a prepared run       ${percent(ratios.preparedP50ToOrtNode)} of its run()
  p50 of infer                ${percent(ratios.inferP50ToOrtNode)} of its run()
  throughput, 64 outstanding  ${ratios.throughputAt64ToOrtNode.toFixed(2)} times its own`)
}

writeRepository()
const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
try {
  const results = { machine: describeMachine(), plan }
  const { machine } = results
  console.log(`${machine.cpu}, ${machine.cpus} cores, Node ${machine.node}`)
  if (!args.only || args.only === 'micro') {
    const digits = workloads.find((workload) => workload.name === 'digits')
    results.micro = await runMicro(server, digits, plan.microSeconds)
  }
  if (!args.only || args.only === 'table') {
    results.table = await runTable(server, select(args.models), plan)
    results.ratios = ratiosOf(results.table)
    if (results.ratios) printRatios(results.ratios)
  }
  if (!args.only || args.only === 'queue') results.queue = await runQueue(plan)
  if (!args.only || args.only === 'idle') results.idle = await runIdle(1000)
  save(results)
} finally {
  await server.close()
}
