// One request beside many registered shared-memory regions.
import { runChild } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'

export async function runRegions({ plan }) {
  const { regionCounts: counts, rounds, seconds, seed } = plan
  const rows = await runChild('regions', { counts, rounds, seconds, seed })
  return {
    title: 'Many regions',
    notes: [
      'Regions of 256 bytes of one object; each request reads one and writes another, of 1,024 ' +
        'taken at random.',
    ],
    tables: [
      tableOf('', rows, {
        regions: 'count',
        'p50 us': 'p50Us',
        'p99 us': 'p99Us',
        'requests/s': 'perSecond',
        'us to register one': 'registerUs',
        mappings: 'mappings',
      }),
    ],
    plots: [
      {
        title: 'Time of a request by registered regions',
        x: { label: 'regions', log: true },
        y: { label: 'p50, us' },
        series: [{ name: 'inferSync', points: rows.map((row) => [row.count, row.p50Us]) }],
      },
    ],
    facts: {
      'regions/largest': counts.at(-1),
      'regions/ratio': rows.at(-1).p50Us / rows[0].p50Us,
    },
  }
}
