// Answers in time: three times a full batch, at loads up to and beyond what the model can do.
import { poissonArrivals, seededRandom } from '../load/arrivals.mjs'
import { measureOpenLoop } from '../load/open-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { measureRaw } from '../peers/raw.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { tableOf } from '../report/format.mjs'
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

/** The model once with each policy. */
async function loadPolicies(server, workload, sloUs) {
  const loaded = []
  for (const policy of policies) {
    const name = `slo_${policy.key}`
    writeVariant(workload, { name, maxBatchSize, batching: policy.batching(sloUs) })
    loaded.push({ ...policy, model: await server.loadModel(name) })
  }
  return loaded
}

const isRefusal = (error) => error.code === 'UNAVAILABLE'

/** @returns a function of the round: full static batches, measured at its first call in each */
function rawByRound(workload, { seconds }) {
  const measured = []
  return (round) => {
    measured[round] ??= measureRaw(workload, maxBatchSize, seconds)
    return measured[round]
  }
}

/** @returns a function of a case and a round; capacity is what the C API did in the same round */
function loadMeasurement(workload, rawOf, sloUs, { seed, openSeconds }) {
  const inputs = inputsOf(workload)
  return async ({ policy, share }, round) => {
    const { perSecond: capacity } = await rawOf(round)
    const arrivals = poissonArrivals(capacity * share, openSeconds, seededRandom(seed + round))
    const call = () => policy.model.infer(inputs)
    const summary = await measureOpenLoop(call, arrivals, { sloUs, isRefusal })
    return { ...summary, capacity, goodput: summary.inTimePerSecond / capacity }
  }
}

export async function runSlo({ server, plan }) {
  const workload = workloadOf('mlp2048')
  const rawOf = rawByRound(workload, plan)
  const { p50Us: fullBatchUs } = await rawOf(0)
  const sloUs = Math.round(fullBatchUs * fullBatches)
  const loaded = await loadPolicies(server, workload, sloUs)
  const measure = loadMeasurement(workload, rawOf, sloUs, plan)
  for (const policy of loaded) await measure({ policy, share: 0.5 }, 0) // durations become known
  const cases = loaded.flatMap((policy) => loads.map((share) => ({ policy, share })))
  const rows = await measureCases(cases, measure, plan.rounds, 'SLO')
  return {
    title: 'Answers in time',
    notes: [
      `${workload.name}, batches of up to ${maxBatchSize}; ${fullBatchUs} us per full static batch, ` +
        `so the SLO is ${sloUs} us from the time due. Loads and goodput are shares of what full ` +
        `static batches reach in the same round, ${Math.round(rows[0].capacity)} items/s. ` +
        'Percentiles are of the requests that were answered.',
    ],
    tables: [
      tableOf('', rows, {
        '': ({ policy }) => policy.name,
        'load %': ({ share }) => share * 100,
        offered: 'offered',
        'in time %': ({ attainment }) => attainment * 100,
        'goodput %': ({ goodput }) => goodput * 100,
        refused: 'refused',
        'p50 us': 'p50Us',
        'p99 us': 'p99Us',
      }),
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
