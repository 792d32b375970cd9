// The latency and throughput table: every peer, interleaved rounds, medians.
import { medianOf } from './measure.mjs'
import { peersOf } from './peers.mjs'

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

function formatUs(us) {
  return us < 100 ? us.toFixed(1) : number.format(us)
}

function printRows(workload, rows) {
  console.log(`\n${workload}`)
  const heading = ['', 'outstanding', 'p50 us', 'p90 us', 'p99 us', 'items/s']
  const lines = rows.map((row) => [
    row.peer,
    String(row.outstanding),
    formatUs(row.p50Us),
    formatUs(row.p90Us),
    formatUs(row.p99Us),
    number.format(row.perSecond),
  ])
  for (const [name, ...cells] of [heading, ...lines]) {
    console.log(`  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(12)).join('')}`)
  }
}

/** Long runs say where they are, on the error stream so that the table can be piped. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  else if (text) process.stderr.write(`${text}\n`)
}

export async function runTable(server, workloads, { rounds, seconds, outstandings }) {
  const table = []
  for (const workload of workloads) {
    const peers = await peersOf(server, workload, outstandings)
    const samples = peers.map(() => [])
    for (let round = 0; round < rounds; round++) {
      progress(`${workload.name}: round ${round + 1} of ${rounds}, ${peers.length} measurements`)
      for (const [index, peer] of peers.entries()) {
        samples[index].push(await peer.measure(seconds))
      }
    }
    progress('')
    const rows = peers.map(({ name, outstanding }, index) => ({
      workload: workload.name,
      peer: name,
      outstanding,
      ...medianOf(samples[index]),
    }))
    rows.sort((a, b) => a.outstanding - b.outstanding)
    printRows(workload.name, rows)
    table.push(...rows)
  }
  return table
}

/** The comparisons that the project promises, from the digits rows of this run. */
export function ratiosOf(table) {
  const row = (peer, outstanding) =>
    table.find(
      (candidate) =>
        candidate.workload === 'digits' &&
        candidate.peer === peer &&
        candidate.outstanding === outstanding,
    )
  const single = row('onnxruntime-node run', 1)
  const many = row('onnxruntime-node run', 64)
  if (!single || !many) return undefined
  return {
    inferSyncP50ToOrtNode: row('trident inferSync', 1).p50Us / single.p50Us,
    preparedP50ToOrtNode: row('trident prepared sync', 1).p50Us / single.p50Us,
    inferP50ToOrtNode: row('trident infer', 1).p50Us / single.p50Us,
    throughputAt64ToOrtNode: row('trident infer', 64).perSecond / many.perSecond,
  }
}
