// The offloaded lane beside the least that waking a thread and being woken by it costs.
import { createServer } from 'trident'
import { measureRoundTrip } from '../load/bare-round-trip.mjs'
import { measureAsync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { tableOf } from '../report/format.mjs'
import { repository, workloadOf } from '../workloads.mjs'

export async function runRoundTrip({ plan }) {
  const server = await createServer({
    modelRepository: repository,
    modelControl: 'explicit',
    inlineBudget: 0, // every request goes to another thread
  })
  try {
    const workload = workloadOf('identity')
    const model = await server.loadModel(workload.name)
    const inputs = inputsOf(workload)
    const cases = [
      {
        name: 'a bare thread and back',
        measure: () => measureRoundTrip(plan.quick ? 500 : 5000),
      },
      {
        name: 'infer, offloaded',
        measure: () => measureAsync(() => model.infer(inputs), 1, plan.seconds),
      },
    ]
    const measure = (one) => one.measure()
    const rows = await measureCases(cases, measure, plan.rounds, 'round trip')
    const [bare, infer] = rows
    return {
      title: 'The offloaded lane beside a bare round trip',
      notes: ['One outstanding; the model hands its input back.'],
      tables: [
        tableOf('', rows, { '': 'name', 'p50 us': 'p50Us', 'p90 us': 'p90Us', 'p99 us': 'p99Us' }),
      ],
      facts: { 'roundTrip/ratio': infer.p50Us / bare.p50Us },
    }
  } finally {
    await server.close()
  }
}
