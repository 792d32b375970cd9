// W1, W2, W3: the same request to everybody, with several numbers of requests outstanding.
import { inRounds } from '../load/rounds.mjs'
import { closePeers, openPeers } from '../peers/index.mjs'
import { missingServices } from '../peers/service.mjs'

/** Outstanding requests of large tensors would fill the memory. */
const mostBytesOutstanding = 256 * 2 ** 20

function casesOf(peers, workload, outstandings) {
  const fitting = outstandings.filter(
    (count) => count === 1 || count * workload.data.byteLength <= mostBytesOutstanding / 4,
  )
  return peers.flatMap((peer) =>
    (peer.one ? [1] : fitting).map((outstanding) => ({ peer, outstanding })),
  )
}

async function measureWorkload(server, workload, { rounds, seconds, outstandings }) {
  const peers = await openPeers(server, workload)
  try {
    const cases = casesOf(peers, workload, outstandings)
    const measurements = cases.map(
      ({ peer, outstanding }) =>
        () =>
          peer.measure(outstanding, seconds),
    )
    const summaries = await inRounds(measurements, rounds, workload.name)
    return cases.map(({ peer, outstanding }, i) => ({
      peer: peer.name,
      outstanding,
      ...summaries[i],
    }))
  } finally {
    await closePeers(peers)
  }
}

function tableOf(workload, rows) {
  const sorted = [...rows].sort((a, b) => a.outstanding - b.outstanding)
  return {
    title: `${workload.id} ${workload.name}, ${workload.data.byteLength} bytes in`,
    columns: ['', 'outstanding', 'p50 us', 'p90 us', 'p99 us', 'items/s'],
    rows: sorted.map((row) => [
      row.peer,
      row.outstanding,
      row.p50Us,
      row.p90Us,
      row.p99Us,
      row.perSecond,
    ]),
  }
}

function plotsOf(workload, rows) {
  const names = [...new Set(rows.map(({ peer }) => peer))]
  const curve = {
    title: `${workload.name}: latency and throughput, closed loop`,
    x: { label: 'items per second', log: true },
    y: { label: 'p50, us', log: true },
    series: names.map((name) => ({
      name,
      points: rows.filter(({ peer }) => peer === name).map((row) => [row.perSecond, row.p50Us]),
    })),
  }
  const single = rows.filter(({ outstanding, histogram }) => outstanding === 1 && histogram)
  const histogram = {
    kind: 'histogram',
    title: `${workload.name}: one outstanding`,
    series: single.map((row) => ({ name: row.peer, histogram: row.histogram })),
  }
  return [curve, histogram]
}

/** Facts by name: `digits/trident infer/1/p50Us`. */
function factsOf(workload, rows) {
  return rows.flatMap(({ peer, outstanding, p50Us, perSecond }) => {
    const key = `${workload.name}/${peer}/${outstanding}`
    return [
      [`${key}/p50Us`, p50Us],
      [`${key}/perSecond`, perSecond],
    ]
  })
}

export async function runLatency({ server, workloads, plan, show }) {
  const section = {
    id: 'latency',
    title: 'The same request to everybody',
    notes: [
      'Closed loop, peers in turn, medians of rounds. Everybody has one session of one thread. All ' +
        'gave the same numbers as the C API first.',
      ...missingServices(),
    ],
    tables: [],
    plots: [],
    facts: {},
  }
  for (const workload of workloads) {
    const rows = await measureWorkload(server, workload, plan)
    const table = tableOf(workload, rows)
    show(table)
    section.tables.push(table)
    section.plots.push(...plotsOf(workload, rows))
    Object.assign(section.facts, Object.fromEntries(factsOf(workload, rows)))
  }
  return section
}
