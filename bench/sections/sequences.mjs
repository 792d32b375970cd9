// W5: a recurrent model whose state the server keeps, with few and with many sequences at once.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { createServer, Tensor } from 'trident'
import { inRounds } from '../load/rounds.mjs'
import { Samples } from '../load/samples.mjs'
import { root } from '../paths.mjs'
import { openSession } from '../peers/onnxruntime-node.mjs'
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
    return (last) => (last ? sequence.end(inputs) : sequence.next(inputs))
  }
}

async function openReaders(server, most) {
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
  const session = await openSession(file)
  const input = new OrtTensor('float32', row, [1, 8])
  const byHand = () => {
    let state = new OrtTensor('float32', new Float32Array(48), [1, 48])
    return async () => {
      const answer = await session.run({ row: input, state_in: state })
      state = answer.state_out
    }
  }
  return {
    readers: [
      { name: 'trident, direct', read: ourReader(direct) },
      { name: 'trident, oldest', read: ourReader(oldest) },
      { name: 'onnxruntime-node, state by hand', read: byHand },
    ],
    close: () => session.release(),
  }
}

export async function runSequences({ plan }) {
  const counts = plan.sequenceCounts
  const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
  try {
    const { readers, close } = await openReaders(server, counts.at(-1))
    const cases = counts.flatMap((count) => readers.map((reader) => ({ ...reader, count })))
    const summaries = await inRounds(
      cases.map(
        ({ read, count }) =>
          () =>
            measureSequences(read, count, plan.seconds),
      ),
      plan.rounds,
      'sequences',
    )
    await close()
    return {
      title: 'W5: sequences',
      notes: [
        'Eight rows each; examples/digit-rows. With direct, at most 64 have a place at once.',
      ],
      tables: [
        {
          title: '',
          columns: ['', 'sequences', 'p50 us', 'p99 us', 'rows/s'],
          rows: cases.map(({ name, count }, i) => [
            name,
            count,
            summaries[i].p50Us,
            summaries[i].p99Us,
            summaries[i].perSecond,
          ]),
        },
      ],
      plots: [
        {
          title: 'Rows per second by sequences at once',
          x: { label: 'sequences', log: true },
          y: { label: 'rows per second' },
          series: readers.map(({ name }) => ({
            name,
            points: cases.flatMap((one, i) =>
              one.name === name ? [[one.count, summaries[i].perSecond]] : [],
            ),
          })),
        },
      ],
      facts: {},
    }
  } finally {
    await server.close()
  }
}
