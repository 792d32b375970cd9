// A recurrent model whose state the server keeps, with few and with many sequences at once.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { createServer, Tensor } from 'trident'
import { checkSame } from '../answers.mjs'
import { measureCases } from '../load/rounds.mjs'
import { Samples } from '../load/samples.mjs'
import { root } from '../paths.mjs'
import { openSession } from '../peers/onnxruntime-node.mjs'
import { tableOf } from '../report/format.mjs'
import { numbers } from '../workloads.mjs'

const repository = join(root, 'examples', 'digit-rows', 'models')
const file = join(repository, 'digit_rows', '1', 'model.onnx')
const rowsPerSequence = 8
const row = numbers(8)

/** Keeps `count` sequences going, each row after the one before it, new ones for those that end. */
async function measureSequences(read, count, seconds) {
  const samples = new Samples()
  const begin = performance.now()
  const client = async () => {
    do {
      const next = read()
      for (let i = 0; i < rowsPerSequence; i++) {
        const sent = performance.now()
        await next(i + 1 === rowsPerSequence)
        samples.add(performance.now() - sent)
      }
    } while (performance.now() - begin < seconds * 1000)
  }
  await Promise.all(Array.from({ length: count }, client))
  return samples.summarise(performance.now() - begin)
}

function ourReader(model) {
  const inputs = { row: new Tensor('FP32', row, [1, 8]) }
  return () => {
    const sequence = model.sequence()
    return async (last) => (await (last ? sequence.end(inputs) : sequence.next(inputs))).logits.data
  }
}

/** What a reader makes of its last row. */
async function answerOf({ name, read }) {
  const next = read()
  for (let i = 1; i < rowsPerSequence; i++) await next(false)
  return { name, values: await next(true) }
}

async function openReaders(server, session, most) {
  const { sequenceBatching, ...config } = await (await server.loadModel('digit_rows')).config()
  const { direct: _, ...common } = sequenceBatching
  const files = { '1/model.onnx': readFileSync(file) }
  const load = (name, strategy) =>
    server.loadModel({
      name,
      files,
      config: { ...config, name, sequenceBatching: { ...common, ...strategy } },
    })
  const direct = await load('rows_direct', { direct: {} })
  const oldest = await load('rows_oldest', { oldest: { maxCandidateSequences: most } })
  const input = new OrtTensor('float32', row, [1, 8])
  const byHand = () => {
    let state = new OrtTensor('float32', new Float32Array(48), [1, 48])
    return async () => {
      const answer = await session.run({ row: input, state_in: state })
      state = answer.state_out
      return answer.logits.data
    }
  }
  return [
    { name: 'trident, direct', read: ourReader(direct) },
    { name: 'trident, oldest', read: ourReader(oldest) },
    { name: 'onnxruntime-node, state by hand', read: byHand },
  ]
}

export async function runSequences({ plan }) {
  const counts = plan.sequenceCounts
  const session = await openSession(file)
  const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
  try {
    const readers = await openReaders(server, session, counts.at(-1))
    checkSame('sequences', await Promise.all(readers.map(answerOf)))
    const measure = ({ read, count }) => measureSequences(read, count, plan.seconds)
    for (const { read } of readers) await measure({ read, count: counts.at(-1) }) // warm-up
    const cases = counts.flatMap((count) => readers.map((reader) => ({ ...reader, count })))
    const rows = await measureCases(cases, measure, plan.rounds, 'sequences')
    return {
      title: 'Sequences',
      notes: [
        'Eight rows each; examples/digit-rows. With direct, at most 64 have a place at once.',
      ],
      tables: [
        tableOf('', rows, {
          '': 'name',
          sequences: 'count',
          'p50 us': 'p50Us',
          'p99 us': 'p99Us',
          'rows/s': 'perSecond',
        }),
      ],
      plots: [
        {
          title: 'Rows per second by sequences at once',
          x: { label: 'sequences', log: true },
          y: { label: 'rows per second' },
          series: readers.map(({ name }) => ({
            name,
            points: rows
              .filter((one) => one.name === name)
              .map(({ count, perSecond }) => [count, perSecond]),
          })),
        },
      ],
      facts: {},
    }
  } finally {
    await server.close()
    await session.release()
  }
}
