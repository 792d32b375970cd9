// The offloaded lane beside the least that waking a thread and being woken by it costs.
import { createServer } from 'trident'
import { measureAsync } from '../load/closed-loop.mjs'
import { inRounds } from '../load/rounds.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { hasProgram } from '../programs.mjs'
import { repository, workloadOf } from '../workloads.mjs'

const addon = 'trident_round_trip.node'

export async function runRoundTrip({ plan }) {
  const title = 'The offloaded lane beside a bare round trip'
  if (!hasProgram(addon)) return { title, notes: [`left out: ${addon} is not built`] }
  const { measureRoundTrip } = await import('../round-trip.mjs')
  const server = await createServer({
    modelRepository: repository,
    modelControl: 'explicit',
    inlineBudget: 0, // every request goes to another thread
  })
  try {
    const workload = workloadOf('identity-1')
    const model = await server.loadModel(workload.name)
    const inputs = inputsOf(workload)
    const [bare, infer] = await inRounds(
      [
        () => measureRoundTrip(plan.quick ? 500 : 5000),
        () => measureAsync(() => model.infer(inputs), 1, plan.seconds),
      ],
      plan.rounds,
      'round trip',
    )
    const rowOf = (name, row) => [name, row.p50Us, row.p90Us, row.p99Us]
    return {
      title,
      notes: ['One outstanding; the model hands its input back.'],
      tables: [
        {
          title: '',
          columns: ['', 'p50 us', 'p90 us', 'p99 us'],
          rows: [rowOf('a bare thread and back', bare), rowOf('infer, offloaded', infer)],
        },
      ],
      facts: { 'roundTrip/ratio': infer.p50Us / bare.p50Us },
    }
  } finally {
    await server.close()
  }
}
