// One request beside many loaded models.
import { availableParallelism } from 'node:os'
import { runChild } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'

function tables(idle, rows) {
  return [
    tableOf('Zipf traffic over all models', rows, {
      '': 'lane',
      models: 'count',
      'p50 us': 'p50Us',
      'p99 us': 'p99Us',
      'items/s': 'perSecond',
    }),
    {
      title: `What ${idle.models} models add to the process`,
      columns: ['', 'count'],
      rows: [
        ['ms to load all', idle.loadMs],
        ['threads when loaded', idle.threadsLoaded],
        ['threads when many were asked', idle.threadsAsked],
        ['kB per idle model', idle.kilobytesPerModel],
      ],
    },
  ]
}

export async function runModels({ plan }) {
  const { modelCounts: counts, rounds, seconds, seed } = plan
  const { idle, rows } = await runChild('models', { counts, rounds, seconds, seed })
  const lanes = [...new Set(rows.map(({ lane }) => lane))]
  const costs = (lane) => rows.filter((row) => row.lane === lane)
  const ratio = (lane) => {
    const p50 = (count) => costs(lane).find((row) => row.count === count).p50Us
    return p50(counts.at(-1)) / p50(10)
  }
  return {
    title: 'Many models',
    notes: [`Identity models of one instance each; ${availableParallelism()} cores.`],
    tables: tables(idle, rows),
    plots: [
      {
        title: 'Time of a request by loaded models',
        x: { label: 'models', log: true },
        y: { label: 'p50, us' },
        series: lanes.map((lane) => ({
          name: lane,
          points: costs(lane).map((row) => [row.count, row.p50Us]),
        })),
      },
    ],
    facts: {
      'models/largest': counts.at(-1),
      'models/syncRatio': ratio('inferSync'),
      'models/ratio': ratio('infer, 1 outstanding'),
      'models/threads': idle.threadsAsked,
      'models/kilobytes': idle.kilobytesPerModel,
    },
  }
}
