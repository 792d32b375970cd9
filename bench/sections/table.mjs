// The same request to everybody, with several numbers of requests outstanding.
import { measureCases } from '../load/rounds.mjs'
import { closePeers, openPeers } from '../peers/index.mjs'
import { missingServices } from '../peers/service.mjs'
import { tableOf } from '../report/format.mjs'

/** Outstanding requests of large tensors would fill the memory. */
const mostBytesOutstanding = 64 * 2 ** 20

function casesOf(peers, workload, outstandings) {
  const fitting = outstandings.filter(
    (count) => count === 1 || count * workload.data.byteLength <= mostBytesOutstanding,
  )
  return peers.flatMap((peer) =>
    (peer.one ? [1] : fitting).map((outstanding) => ({ peer, outstanding })),
  )
}

async function measureWorkload(server, workload, { rounds, seconds, outstandings }) {
  const peers = await openPeers(server, workload)
  try {
    const cases = casesOf(peers, workload, outstandings)
    const measure = ({ peer, outstanding }) => peer.measure(outstanding, seconds)
    const measured = await measureCases(cases, measure, rounds, workload.name)
    return measured.map(({ peer, ...row }) => ({ peer: peer.name, ...row }))
  } finally {
    await closePeers(peers)
  }
}

function workloadTable({ name, data }, rows) {
  const sorted = [...rows].sort((a, b) => a.outstanding - b.outstanding)
  return tableOf(`${name}, ${data.byteLength} bytes in`, sorted, {
    '': 'peer',
    outstanding: 'outstanding',
    'p50 us': 'p50Us',
    'p90 us': 'p90Us',
    'p99 us': 'p99Us',
    'items/s': 'perSecond',
  })
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

export async function runTable({ server, workloads, plan, show }) {
  const section = {
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
    const table = workloadTable(workload, rows)
    show(table)
    section.tables.push(table)
    section.plots.push(...plotsOf(workload, rows))
    Object.assign(section.facts, Object.fromEntries(factsOf(workload, rows)))
  }
  return section
}
