// W10: one request beside many registered shared-memory regions.
import { runChild } from '../programs.mjs'
import { repository } from '../workloads.mjs'

export async function runRegions({ plan }) {
  const { regionCounts: counts, rounds, seconds, seed } = plan
  const model = 'identity-1'
  const rows = await runChild('regions', { repository, model, counts, rounds, seconds, seed })
  return {
    title: 'W10: many regions',
    notes: [
      'Regions of 256 bytes of one object; each request reads one and writes another, of 1,024 ' +
        'taken at random.',
    ],
    tables: [
      {
        title: '',
        columns: ['regions', 'p50 us', 'p99 us', 'requests/s', 'us to register one', 'mappings'],
        rows: rows.map((row) => [
          row.count,
          row.p50Us,
          row.p99Us,
          row.perSecond,
          row.registerUs,
          row.mappings,
        ]),
      },
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
