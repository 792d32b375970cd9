// W8: frames that another process makes, through shared memory and through a pipe.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { SharedMemory } from 'trident'
import { measureAsync } from '../load/closed-loop.mjs'
import { inRounds } from '../load/rounds.mjs'
import { root } from '../paths.mjs'
import { workloadOf } from '../workloads.mjs'

/** A producer of frames, asked one at a time. */
class Producer {
  #frame = 0
  #child = fork(join(root, 'bench', 'children', 'producer.mjs'), { serialization: 'advanced' })

  async ask(message) {
    this.#child.send({ ...message, frame: ++this.#frame })
    const [answer] = await once(this.#child, 'message')
    return { ...answer, frame: this.#frame }
  }

  async close() {
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }
}

function checkFrame(numbers, frame) {
  if (numbers[0] === frame && numbers.at(-1) === frame) return
  throw new Error(`shared memory: frame ${frame} came back as ${numbers[0]} to ${numbers.at(-1)}`)
}

/** Calls that take one frame each through the model. */
async function openCases(model, producer, workload, region) {
  const { byteLength: byteSize, length } = workload.data
  const shape = [1, length]
  const input = region.tensor('FP32', shape)
  const output = region.tensor('FP32', shape, { offset: byteSize })
  const answer = new Float32Array(region.view().buffer, byteSize, length)
  await producer.ask({ kind: 'open', key: region.key, byteSize })
  const inPlace = () => model.infer({ input }, { outputs: { output } })
  return [
    { name: 'infer only, region to region', call: inPlace },
    { name: 'infer only, arrays', call: () => model.infer({ input: workload.data }) },
    {
      name: 'from a producer, through the region',
      call: async () => {
        const { frame } = await producer.ask({ kind: 'region' })
        await inPlace()
        checkFrame(answer, frame)
      },
    },
    {
      name: 'from a producer, through a pipe',
      call: async () => {
        const { bytes, frame } = await producer.ask({ kind: 'bytes', byteSize })
        checkFrame((await model.infer({ input: bytes })).output.data, frame)
      },
    },
  ]
}

/** Copies of tensor bytes that the server counts for one call. */
async function copiesOf(model, call) {
  const before = (await model.statistics()).copy_stats
  await call()
  const after = (await model.statistics()).copy_stats
  return after.count - before.count
}

async function measureSize(server, workload, { rounds, seconds }) {
  const model = await server.loadModel(workload.name)
  const producer = new Producer()
  const region = SharedMemory.create(`/trident-bench-${process.pid}`, {
    byteSize: workload.data.byteLength * 2,
  })
  try {
    const cases = await openCases(model, producer, workload, region)
    const copies = []
    for (const { call } of cases) copies.push(await copiesOf(model, call))
    const summaries = await inRounds(
      cases.map(
        ({ call }) =>
          () =>
            measureAsync(call, 1, seconds),
      ),
      rounds,
      workload.name,
    )
    return cases.map(({ name }, i) => ({ name, copies: copies[i], ...summaries[i] }))
  } finally {
    region.close()
    await producer.close()
  }
}

export async function runSharedMemory({ server, plan }) {
  const tables = []
  const facts = {}
  for (const name of ['identity-602k', 'identity-16m']) {
    const workload = workloadOf(name)
    const rows = await measureSize(server, workload, plan)
    facts[`copies/${name}/region`] = rows[0].copies
    facts[`copies/${name}/arrays`] = rows[1].copies
    tables.push({
      title: `${workload.data.byteLength} bytes in and out`,
      columns: ['', 'p50 us', 'p99 us', 'frames/s', 'copies'],
      rows: rows.map((row) => [row.name, row.p50Us, row.p99Us, row.perSecond, row.copies]),
    })
  }
  return {
    title: 'W8: shared memory',
    notes: [
      'Copies are those on the way to the model and back; what the identity model itself does, from ' +
        'its input to its output, is its computation. The first and the last number of every frame ' +
        'are compared with those the producer wrote.',
    ],
    tables,
    facts,
  }
}
