// What one request takes, in counts that do not depend on how fast the machine is: instructions,
// system calls, futex wakes, context switches, page faults, threads.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOnnxRuntime } from '../dist/esm/onnxruntime.js'
import { out } from './paths.mjs'
import { repository, writeRepository } from './workloads.mjs'

function runCounted(prefix, args) {
  writeRepository()
  const models = ['--repository', repository, '--backends', join(out, 'backends')]
  const library = ['--library', findOnnxRuntime() ?? '']
  const command = [...prefix, join(out, 'trident_counted'), ...models, ...library, ...args]
  // The program's own limits, which come first, say more.
  const options = { encoding: 'utf8', timeout: 110_000 }
  return JSON.parse(execFileSync(command[0], command.slice(1), options))
}

/** The version of the compiler that built what is counted. */
export function compilerOfTheBuild() {
  return runCounted([], ['--compiler'])
}

/** Instructions per request of every case, by callgrind: { 'digits inline': 121900, ... }. */
export function countInstructions(requests = 100) {
  const folder = mkdtempSync(join(tmpdir(), 'trident-counts-'))
  try {
    const files = join(folder, 'counts')
    const options = ['-q', '--tool=callgrind', '--instr-atstart=no']
    const prefix = ['valgrind', ...options, `--callgrind-out-file=${files}`]
    const cases = runCounted(prefix, ['--requests', String(requests)])
    // One file per case, in order.
    return Object.fromEntries(
      cases.map((row, index) => {
        const total = /^totals: (\d+)$/m.exec(readFileSync(`${files}.${index + 1}`, 'utf8'))[1]
        return [row.case, Math.round(Number(total) / row.requests)]
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * What every case asks of the system, per request, the submitting thread (`client`) apart from the
 * `others`: { 'digits inline': { client: { syscalls, futex_waits, futex_wakes, woken }, others,
 * context_switches, page_faults, threads }, ... }. `woken` are the wakes that found a waiter.
 */
export function countSystem(requests = 2000) {
  const cases = runCounted([], ['--count', 'system', '--requests', String(requests)])
  return Object.fromEntries(
    cases.map(({ case: name, requests: count, threads, ...totals }) => {
      const each = (value) =>
        typeof value === 'number'
          ? value / count
          : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, each(part)]))
      return [name, { ...each(totals), threads }]
    }),
  )
}
