// Requests that come when they come: latency by offered load, from the time each was due.
import { burstArrivals, poissonArrivals, seededRandom } from '../load/arrivals.mjs'
import { measureAsync } from '../load/closed-loop.mjs'
import { measureOpenLoop } from '../load/open-loop.mjs'
import { medianOf, progress } from '../load/rounds.mjs'
import { closePeers, openPeers } from '../peers/index.mjs'
import { measureRaw } from '../peers/raw.mjs'
import { tableOf } from '../report/format.mjs'
import { workloadOf } from '../workloads.mjs'

const loads = [
  { name: '50 %', share: 0.5 },
  { name: '70 %', share: 0.7 },
  { name: '90 %', share: 0.9 },
  { name: '100 %', share: 1 },
  { name: '120 %', share: 1.2 },
  { name: '50 % in bursts', share: 0.5, bursts: true },
]

/** A peer that answers less than this of what is offered is not asked at higher loads. */
const keepsUp = 0.9

async function measureLoad({ peer, load }, capacity, { seed, openSeconds }, round) {
  const make = load.bursts ? burstArrivals : poissonArrivals
  const arrivals = make(capacity * load.share, openSeconds, seededRandom(seed + round))
  const summary = await measureOpenLoop(peer.call, arrivals)
  const keptUp = summary.perSecond >= (summary.offered / openSeconds) * keepsUp
  return { ...summary, capacity, keptUp }
}

/**
 * Rows of each peer: peers and loads in turn, all rounds. The first round says which loads are too
 * much for a peer: the least of them is still measured, in every round.
 */
async function measureAll(peers, workload, plan) {
  const wanted = loads.filter(({ name }) => plan.openLoads.includes(name))
  const cells = wanted.flatMap((load) => peers.map((peer) => ({ peer, load, summaries: [] })))
  const limits = new Map(peers.map((peer) => [peer, Infinity]))
  for (const { call } of peers) await measureAsync(call, 64, plan.seconds) // warm-up
  for (let round = 0; round < plan.rounds; round++) {
    const raw = await measureRaw(workload, workload.maxBatchSize, plan.seconds)
    for (const cell of cells) {
      const { peer, load } = cell
      if (load.share > limits.get(peer)) continue
      progress(`open loop: round ${round + 1} of ${plan.rounds}, ${peer.name}, ${load.name}`)
      const { keptUp, ...summary } = await measureLoad(cell, raw.perSecond, plan, round)
      cell.summaries.push(summary)
      if (round === 0 && !load.bursts && !keptUp) limits.set(peer, load.share)
    }
  }
  progress('')
  const byPeer = peers.flatMap((peer) => cells.filter((cell) => cell.peer === peer))
  return byPeer
    .filter(({ summaries }) => summaries.length > 0)
    .map(({ peer, load, summaries }) => ({ peer, load, ...medianOf(summaries) }))
}

function loadTable({ name }, rows) {
  const title = `${name}, ${Math.round(rows[0].capacity)} items/s with full static batches`
  return tableOf(title, rows, {
    '': ({ peer }) => peer.name,
    load: ({ load }) => load.name,
    offered: 'offered',
    'items/s': 'perSecond',
    'p50 us': 'p50Us',
    'p99 us': 'p99Us',
  })
}

function plotsOf(workload, rows) {
  const peers = [...new Set(rows.map(({ peer }) => peer))]
  const curve = (key, label) => ({
    title: `${workload.name}: ${label} by load`,
    x: { label: '% of static capacity offered' },
    y: { label: `${label}, us`, log: true },
    series: peers.map((peer) => ({
      name: peer.name,
      points: rows
        .filter((row) => row.peer === peer && !row.load.bursts)
        .map((row) => [row.load.share * 100, row[key]]),
    })),
  })
  const atLoad = (name) => ({
    kind: 'histogram',
    title: `${workload.name}: latency at ${name}`,
    series: rows
      .filter(({ load }) => load.name === name)
      .map(({ peer, histogram }) => ({ name: peer.name, histogram })),
  })
  return [curve('p50Us', 'p50'), curve('p99Us', 'p99'), atLoad('50 %'), atLoad('50 % in bursts')]
}

export async function runOpenLoop({ server, plan }) {
  const workload = workloadOf('mlp512')
  const peers = await openPeers(server, workload)
  let rows
  try {
    const usable = peers.filter(({ call }) => call).slice(0, plan.openPeers)
    rows = await measureAll(usable, workload, plan)
  } finally {
    await closePeers(peers)
  }
  return {
    title: 'Open loop',
    notes: [
      'Poisson arrivals, and bursts of 50 ms at twice the rate. Latency counts from the time a ' +
        'request was due. A peer that does not keep up in the first round is spared higher loads.',
    ],
    tables: [loadTable(workload, rows)],
    plots: plotsOf(workload, rows),
    facts: {},
  }
}
