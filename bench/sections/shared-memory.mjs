// Frames that another process makes, through shared memory and through a pipe.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { SharedMemory } from 'trident'
import { measureAsync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { root } from '../paths.mjs'
import { tableOf } from '../report/format.mjs'
import { workloadOf } from '../workloads.mjs'

/** A producer of frames, asked one at a time. */
class Producer {
  #frame = 0
  #child = fork(join(root, 'bench', 'children', 'producer.mjs'), { serialization: 'advanced' })

  ask(message) {
    const frame = ++this.#frame
    return new Promise((resolve, reject) => {
      const onExit = (code) => reject(new Error(`the producer of frames ended with code ${code}`))
      this.#child.once('exit', onExit)
      this.#child.once('message', (answer) => {
        this.#child.off('exit', onExit)
        resolve({ ...answer, frame })
      })
      this.#child.send({ ...message, frame }, (error) => error && reject(error))
    })
  }

  close() {
    this.#child.kill()
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
  const region = SharedMemory.create(`/trident-bench-${process.pid}`, {
    byteSize: workload.data.byteLength * 2,
  })
  const producer = new Producer()
  try {
    const cases = await openCases(model, producer, workload, region)
    for (const one of cases) one.copies = await copiesOf(model, one.call)
    const measure = ({ call }) => measureAsync(call, 1, seconds)
    return await measureCases(cases, measure, rounds, workload.name)
  } finally {
    producer.close()
    region.close()
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
    const table = tableOf(`${workload.data.byteLength} bytes in and out`, rows, {
      '': 'name',
      'p50 us': 'p50Us',
      'p99 us': 'p99Us',
      'frames/s': 'perSecond',
      copies: 'copies',
    })
    tables.push(table)
  }
  return {
    title: 'Shared memory',
    notes: [
      'Copies are those on the way to the model and back; what the identity model itself does, from ' +
        'its input to its output, is its computation. The first and the last number of every frame ' +
        'are compared with those the producer wrote.',
    ],
    tables,
    facts,
  }
}
