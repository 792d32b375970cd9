// Counts per request: they depend on the machine's speed and load at most where a thread may or may
// not get to sleep.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findOnnxRuntime } from '../../dist/esm/onnxruntime.js'
import { countInstructions, countSystem } from '../count-programs.mjs'
import { root } from '../paths.mjs'
import { runChild, runProgram } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'
import { repository } from '../workloads.mjs'

const requests = 1000

/** JavaScript's heap. */
async function heapTable(plan) {
  const input = {
    repository,
    model: 'digits',
    calls: plan.quick ? 2000 : 20_000,
    rounds: plan.quick ? 2 : 7,
  }
  const rows = await runChild('heap', input, ['--expose-gc', '--max-semi-space-size=128'])
  return {
    table: tableOf('Bytes of JavaScript heap per call, digits', rows, {
      '': 'name',
      bytes: ({ bytes }) => bytes ?? Number.NaN,
    }),
    facts: Object.fromEntries(rows.map(({ name, bytes }) => [`heap/${name}`, bytes])),
  }
}

/** Heap allocations and page faults of the core. */
async function allocationsTable() {
  const rows = await runProgram('trident_allocations', {
    requests,
    digits: join(root, 'examples', 'digits', 'models'),
    library: findOnnxRuntime(),
  })
  return {
    table: tableOf('Allocations and page faults per request', rows, {
      '': 'case',
      'of the core': 'core_per_request',
      'of all': 'allocations_per_request',
      'page faults': 'minor_faults_per_request',
    }),
    facts: { 'counts/coreAllocations': Math.max(...rows.map((row) => row.core_per_request)) },
  }
}

/** System calls and wakes. */
function systemTable() {
  const rows = Object.entries(countSystem(requests)).map(([name, row]) => ({ name, ...row }))
  return {
    table: tableOf('System calls per request', rows, {
      '': 'name',
      client: ({ client }) => client.syscalls,
      others: ({ others }) => others.syscalls,
      woken: ({ client, others }) => client.woken + others.woken,
      'context switches': 'context_switches',
      'page faults': 'page_faults',
      threads: 'threads',
    }),
    facts: {},
  }
}

/** Instructions, by callgrind: it takes a while to load ONNX Runtime. */
function instructionsTable() {
  const instructions = countInstructions()
  return {
    table: {
      title: 'Instructions per request',
      columns: ['', 'instructions'],
      rows: Object.entries(instructions),
    },
    facts: {
      'counts/inlineInstructions': instructions['digits inline'] - instructions['digits raw'],
    },
  }
}

function hasValgrind() {
  return spawnSync('valgrind', ['--version']).status === 0
}

function whyNoInstructions({ quick }) {
  if (quick) return 'instructions are left out of a quick run'
  return hasValgrind() ? null : 'instructions are left out: valgrind is not installed'
}

export async function runCounts({ plan }) {
  const whyNot = whyNoInstructions(plan)
  const parts = [await heapTable(plan), await allocationsTable(), systemTable()]
  if (!whyNot) parts.push(instructionsTable())
  return {
    title: 'Counts per request',
    notes: whyNot ? [whyNot] : [],
    tables: parts.map(({ table }) => table),
    facts: Object.assign({}, ...parts.map(({ facts }) => facts)),
  }
}
