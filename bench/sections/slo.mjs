// Answers in time: three times a full batch, at loads up to and beyond what the model can do.
import { poissonArrivals, seededRandom } from '../load/arrivals.mjs'
import { measureOpenLoop } from '../load/open-loop.mjs'
import { inRounds } from '../load/rounds.mjs'
import { measureCapacity } from '../peers/raw.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { workloadOf, writeVariant } from '../workloads.mjs'

const loads = [0.9, 1, 1.2, 1.5]
const maxBatchSize = 8
const fullBatches = 3

const policies = [
  { key: 'dynamic', name: 'dynamic batching', batching: () => '' },
  {
    key: 'deadline',
    name: 'deadlines',
    batching: (sloUs) => `deadline { slo_microseconds: ${sloUs} }`,
  },
]

/** The model with each policy that this server knows; and what it said about the others. */
async function loadPolicies(server, workload, sloUs) {
  const loaded = []
  const notes = []
  for (const policy of policies) {
    const name = `slo_${policy.key}`
    writeVariant(workload, { name, maxBatchSize, batching: policy.batching(sloUs) })
    try {
      loaded.push({ ...policy, model: await server.loadModel(name) })
    } catch (error) {
      notes.push(`${policy.name}: not offered by this server (${error.message})`)
    }
  }
  return { loaded, notes }
}

function measureLoad({ model }, workload, capacity, share, sloUs, plan, round) {
  const { seed, openSeconds } = plan
  const inputs = inputsOf(workload)
  const arrivals = poissonArrivals(capacity * share, openSeconds, seededRandom(seed + round))
  return measureOpenLoop(() => model.infer(inputs), arrivals, { sloUs })
}

export async function runSlo({ server, plan }) {
  const workload = workloadOf('mlp2048')
  const raw = await measureCapacity(workload, maxBatchSize, plan)
  const capacity = raw.perSecond
  const sloUs = Math.round(raw.p50Us * fullBatches)
  const { loaded, notes } = await loadPolicies(server, workload, sloUs)
  const cases = loaded.flatMap((policy) => loads.map((share) => ({ policy, share })))
  const measure = ({ policy, share }, round) =>
    measureLoad(policy, workload, capacity, share, sloUs, plan, round)
  for (const policy of loaded) await measure({ policy, share: 0.5 }, 0) // durations become known
  const summaries = await inRounds(
    cases.map((one) => (round) => measure(one, round)),
    plan.rounds,
    'SLO',
  )
  const rows = cases.map(({ policy, share }, i) => {
    const row = summaries[i]
    const goodput = row.inTimePerSecond / capacity
    return { policy, share, goodput, ...row }
  })
  return {
    title: 'Answers in time',
    notes: [
      `${workload.name}, batches of up to ${maxBatchSize}; ${Math.round(capacity)} items/s and ` +
        `${raw.p50Us} us per full static batch, so the SLO is ${sloUs} us from the time due.`,
      ...notes,
    ],
    tables: [
      {
        title: '',
        columns: ['', 'load %', 'offered', 'in time %', 'goodput %', 'refused', 'p50 us', 'p99 us'],
        rows: rows.map((row) => [
          row.policy.name,
          row.share * 100,
          row.offered,
          row.attainment * 100,
          row.goodput * 100,
          row.refused,
          row.p50Us,
          row.p99Us,
        ]),
      },
    ],
    plots: ['attainment', 'goodput'].map((key) => ({
      title: key === 'goodput' ? 'Goodput, % of capacity' : 'Answered in time, % of offered',
      x: { label: '% of static capacity offered' },
      y: { label: '%' },
      series: loaded.map((policy) => ({
        name: policy.name,
        points: rows
          .filter((row) => row.policy === policy)
          .map((row) => [row.share * 100, row[key] * 100]),
      })),
    })),
    facts: Object.fromEntries(
      rows.flatMap(({ policy, share, attainment, goodput }) => [
        [`slo/${policy.key}/${share}/attainment`, attainment],
        [`slo/${policy.key}/${share}/goodput`, goodput],
      ]),
    ),
  }
}
