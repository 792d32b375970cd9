// What the scheduler costs by itself, in a short queue and in a long one.
import { runProgram } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'

/** How deadlines, priorities and order decide who is served. */
async function policyTable({ quick, seed }) {
  const arrivals = quick ? 2000 : 20_000
  const { rows } = await runProgram('trident_slo_policies', { arrivals, seed })
  const columns = Object.fromEntries(Object.keys(rows[0]).map((name) => [name, name]))
  return tableOf('Policies in virtual time', rows, columns)
}

export async function runQueue({ plan }) {
  const rows = await runProgram('trident_queue_cost', {
    lengths: plan.queueLengths,
    rounds: plan.quick ? 3 : 9,
    requests: plan.quick ? 100_000 : 400_000,
  })
  const cost = (length) => rows.find((row) => row.length === length).ns
  return {
    title: 'The queue by itself',
    notes: ['Enqueue and take, with priorities and timeouts; no model, no client.'],
    tables: [
      tableOf('', rows, { 'requests waiting': 'length', 'ns each': 'ns' }),
      await policyTable(plan),
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
