// Requests that come when they come: latency by offered load, from the time each was due.
import { burstArrivals, poissonArrivals, seededRandom } from '../load/arrivals.mjs'
import { measureAsync } from '../load/closed-loop.mjs'
import { measureOpenLoop } from '../load/open-loop.mjs'
import { medianOf, progress } from '../load/rounds.mjs'
import { closePeers, openPeers } from '../peers/index.mjs'
import { measureCapacity } from '../peers/raw.mjs'
import { workloadOf } from '../workloads.mjs'

const loads = [
  { name: '50 %', share: 0.5 },
  { name: '70 %', share: 0.7 },
  { name: '90 %', share: 0.9 },
  { name: '100 %', share: 1 },
  { name: '120 %', share: 1.2 },
  { name: '50 % in bursts', share: 0.5, bursts: true },
]

/** A peer that answers less of what is offered has more than it can do; more load tells nothing. */
const overloaded = 0.9

/** One peer at one load, as often as there are rounds. */
class Cell {
  #summaries = []

  constructor(peer, load) {
    this.peer = peer
    this.load = load
  }

  /** True when the peer could not keep up. */
  async measure(capacity, { seed, openSeconds }, round) {
    const make = this.load.bursts ? burstArrivals : poissonArrivals
    const random = seededRandom(seed + round)
    const arrivals = make(capacity * this.load.share, openSeconds, random)
    const summary = await measureOpenLoop(this.peer.call, arrivals)
    this.#summaries.push(summary)
    return summary.perSecond < (arrivals.length / openSeconds) * overloaded
  }

  get row() {
    return { load: this.load, ...medianOf(this.#summaries) }
  }

  get measured() {
    return this.#summaries.length > 0
  }
}

/** Rows of each peer: peers and loads in turn, all rounds. */
async function measureAll(peers, capacity, plan) {
  const wanted = loads.filter(({ name }) => plan.openLoads.includes(name))
  const cells = wanted.flatMap((load) => peers.map((peer) => new Cell(peer, load)))
  const limits = new Map(peers.map((peer) => [peer, Infinity]))
  for (const { call } of peers) await measureAsync(call, 64, plan.seconds) // warm-up
  for (let round = 0; round < plan.rounds; round++) {
    for (const cell of cells) {
      const { peer, load } = cell
      if (load.share > limits.get(peer)) continue
      progress(`open loop: round ${round + 1} of ${plan.rounds}, ${peer.name}, ${load.name}`)
      const tooMuch = await cell.measure(capacity, plan, round)
      if (tooMuch) limits.set(peer, Math.min(limits.get(peer), load.share))
    }
  }
  progress('')
  return peers.map((peer) => ({
    peer,
    rows: cells.filter((cell) => cell.peer === peer && cell.measured).map(({ row }) => row),
  }))
}

function tableOf(workload, capacity, measured) {
  return {
    title: `${workload.name}, ${Math.round(capacity)} items/s with full static batches`,
    columns: ['', 'load', 'offered', 'items/s', 'p50 us', 'p99 us', 'unsent'],
    rows: measured.flatMap(({ peer, rows }) =>
      rows.map((row) => [
        peer.name,
        row.load.name,
        row.offered,
        row.perSecond,
        row.p50Us,
        row.p99Us,
        row.unsent,
      ]),
    ),
  }
}

function plotsOf(workload, measured) {
  const curve = (key, label) => ({
    title: `${workload.name}: ${label} by load`,
    x: { label: '% of static capacity offered' },
    y: { label: `${label}, us`, log: true },
    series: measured.map(({ peer, rows }) => ({
      name: peer.name,
      points: rows
        .filter(({ load }) => !load.bursts)
        .map((row) => [row.load.share * 100, row[key]]),
    })),
  })
  const atLoad = (name) => ({
    kind: 'histogram',
    title: `${workload.name}: latency at ${name}`,
    series: measured.flatMap(({ peer, rows }) =>
      rows
        .filter(({ load }) => load.name === name)
        .map(({ histogram }) => ({ name: peer.name, histogram })),
    ),
  })
  return [curve('p50Us', 'p50'), curve('p99Us', 'p99'), atLoad('50 %'), atLoad('50 % in bursts')]
}

export async function runOpenLoop({ server, plan }) {
  const workload = workloadOf('mlp512')
  const { perSecond: capacity } = await measureCapacity(workload, workload.maxBatchSize, plan)
  const peers = await openPeers(server, workload)
  let measured
  try {
    const usable = peers.filter(({ call }) => call).slice(0, plan.openPeers)
    measured = await measureAll(usable, capacity, plan)
  } finally {
    await closePeers(peers)
  }
  return {
    title: 'Open loop',
    notes: [
      'Poisson arrivals, and bursts of 50 ms at twice the rate. Latency counts from the time a ' +
        'request was due. A peer that can not keep up is spared higher loads.',
    ],
    tables: [tableOf(workload, capacity, measured)],
    plots: plotsOf(workload, measured),
    facts: {},
  }
}
