// Counts per request: they depend on the machine's speed and load at most where a thread may or may
// not get to sleep.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findOnnxRuntime } from '../../dist/esm/onnxruntime.js'
import { root } from '../paths.mjs'
import { hasProgram, runChild, runProgram } from '../programs.mjs'
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
    table: {
      title: 'Bytes of JavaScript heap per call, digits',
      columns: ['', 'bytes'],
      rows: rows.map(({ name, bytes }) => [name, bytes ?? Number.NaN]),
    },
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
    table: {
      title: 'Allocations and page faults per request',
      columns: ['', 'of the core', 'of all', 'page faults'],
      rows: rows.map((row) => [
        row.case,
        row.core_per_request,
        row.allocations_per_request,
        row.minor_faults_per_request,
      ]),
    },
    facts: { 'counts/coreAllocations': Math.max(...rows.map((row) => row.core_per_request)) },
  }
}

/** System calls and wakes. */
async function systemTable() {
  const { countSystem } = await import('../counts.mjs')
  const rows = Object.entries(countSystem(requests))
  return {
    table: {
      title: 'System calls per request',
      columns: ['', 'client', 'others', 'woken', 'context switches', 'page faults', 'threads'],
      rows: rows.map(([name, row]) => [
        name,
        row.client.syscalls,
        row.others.syscalls,
        row.client.woken + row.others.woken,
        row.context_switches,
        row.page_faults,
        row.threads,
      ]),
    },
    facts: {},
  }
}

/** Instructions, by callgrind: it takes a while to load ONNX Runtime. */
async function instructionsTable() {
  const { countInstructions } = await import('../counts.mjs')
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

/** What can be counted here, and why something can't. */
function nativeCounts({ quick }) {
  const notes = []
  const counts = []
  if (hasProgram('trident_allocations')) counts.push(allocationsTable)
  else notes.push('allocations are left out: trident_allocations is not built')
  if (hasProgram('trident_counted')) counts.push(systemTable)
  else notes.push('system calls and instructions are left out: trident_counted is not built')
  if (quick) notes.push('instructions are left out of a quick run')
  else if (!hasValgrind()) notes.push('instructions are left out: valgrind is not installed')
  else if (hasProgram('trident_counted')) counts.push(instructionsTable)
  return { notes, counts }
}

export async function runCounts({ plan }) {
  const { notes, counts } = nativeCounts(plan)
  const parts = [await heapTable(plan)]
  for (const count of counts) parts.push(await count())
  return {
    title: 'Counts per request',
    notes,
    tables: parts.map(({ table }) => table),
    facts: Object.assign({}, ...parts.map(({ facts }) => facts)),
  }
}
