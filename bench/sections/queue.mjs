// W0 and W11: what the scheduler costs by itself, in a short queue and in a long one.
import { hasProgram, runProgram } from '../programs.mjs'

/** How deadlines, priorities and order decide who is served, where the build has the program. */
async function policyTables({ quick, seed }) {
  if (!hasProgram('trident_slo_policies')) return []
  const arrivals = quick ? 2000 : 20_000
  const { rows } = await runProgram('trident_slo_policies', {}, [arrivals, seed])
  const columns = Object.keys(rows[0])
  return [
    {
      title: 'Policies in virtual time',
      columns,
      rows: rows.map((row) => columns.map((name) => row[name])),
    },
  ]
}

export async function runQueue({ plan }) {
  const rows = await runProgram('trident_queue_cost', {
    lengths: plan.queueLengths,
    rounds: plan.quick ? 3 : 9,
    requests: plan.quick ? 100_000 : 400_000,
  })
  const cost = (length) => rows.find((row) => row.length === length).ns
  return {
    title: 'W0, W11: the queue by itself',
    notes: ['Enqueue and take, with priorities and timeouts; no model, no client.'],
    tables: [
      {
        title: '',
        columns: ['requests waiting', 'ns each'],
        rows: rows.map(({ length, ns }) => [length, ns]),
      },
      ...(await policyTables(plan)),
    ],
    plots: [
      {
        title: 'Time per request by queue length',
        x: { label: 'requests waiting', log: true },
        y: { label: 'ns' },
        series: [{ name: 'enqueue and take', points: rows.map(({ length, ns }) => [length, ns]) }],
      },
    ],
    facts: { 'queue/ratio': cost(100_000) / cost(10), 'queue/shortNs': cost(10) },
  }
}
