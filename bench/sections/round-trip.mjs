// The offloaded lane beside the least that waking a thread and being woken by it costs.
import { runChild } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'

export async function runRoundTrip({ plan }) {
  const { rounds, seconds, quick } = plan
  const rows = await runChild('round-trip', { rounds, seconds, trips: quick ? 500 : 5000 })
  const [bare, infer] = rows
  return {
    title: 'The offloaded lane beside a bare round trip',
    notes: [
      'One outstanding; the model hands its input back. JavaScript has a core of its own, so every ' +
        'round trip wakes two cores.',
    ],
    tables: [
      tableOf('', rows, { '': 'name', 'p50 us': 'p50Us', 'p90 us': 'p90Us', 'p99 us': 'p99Us' }),
    ],
    facts: { 'roundTrip/ratio': infer.p50Us / bare.p50Us },
  }
}
