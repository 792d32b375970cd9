// What it costs to read the metrics of many loaded models.
import { runChild } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'

export async function runMetrics({ plan }) {
  const { modelCounts: counts, rounds } = plan
  const rows = await runChild('metrics', { counts, rounds })
  const largest = rows.at(-1)
  return {
    title: 'Metrics',
    notes: ['One `server.metrics()` with the counters of that many idle identity models.'],
    tables: [
      tableOf('One scrape', rows, {
        models: 'count',
        'p50 ms': 'p50Ms',
        'worst ms': 'worstMs',
        'a string as long, ms': 'floorMs',
        kB: 'kilobytes',
      }),
    ],
    facts: {
      'metrics/largest': largest.count,
      'metrics/scrapeMs': largest.p50Ms,
      'metrics/floorMs': largest.floorMs,
    },
  }
}
