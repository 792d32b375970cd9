// A hundred callers at once get what each would have got alone.
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { Tensor } from 'trident'
import { distance } from '../answers.mjs'
import { seededRandom } from '../load/arrivals.mjs'
import { openSession } from '../peers/onnxruntime-node.mjs'
import { tableOf } from '../report/format.mjs'
import { workloadOf } from '../workloads.mjs'

const callers = 100
const names = ['onnx-identity-4k', 'digits', 'mlp64', 'mlp512']

const bitsOf = (numbers) =>
  Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('latin1')

function makeItems(workload, seed) {
  const random = seededRandom(seed)
  return Array.from({ length: callers }, () => workload.data.map(() => random() * 2 - 1))
}

/** Whether ONNX Runtime itself gives a row of a batch the bits that it gives the item alone. */
async function isBatchInvariant(session, workload, items) {
  const run = async (numbers, count) => {
    const tensor = new OrtTensor('float32', numbers, [count, ...workload.itemShape])
    return (await session.run({ [workload.input]: tensor }))[workload.output].data
  }
  const { length } = workload.data
  const alone = await Promise.all(items.map((item) => run(item, 1)))
  for (let count = 2; count <= workload.maxBatchSize; count++) {
    const batch = new Float32Array(count * length)
    for (let i = 0; i < count; i++) batch.set(items[i], i * length)
    const answer = await run(batch, count)
    const size = answer.length / count
    for (let i = 0; i < count; i++) {
      const row = answer.subarray(i * size, (i + 1) * size)
      if (bitsOf(row) !== bitsOf(alone[i])) return false
    }
  }
  return true
}

/** What rounding in another order can not explain. */
const tolerance = 1e-5

async function compare(server, workload, seed) {
  const model = await server.loadModel(workload.name)
  const items = makeItems(workload, seed)
  const shape = [1, ...workload.itemShape]
  const inputs = items.map((item) => ({ [workload.input]: new Tensor('FP32', item, shape) }))
  const dataOf = (answer) => answer[workload.output].data
  const alone = inputs.map((input) => dataOf(model.inferSync(input)))
  const together = (await Promise.all(inputs.map((input) => model.infer(input)))).map(dataOf)
  const count = (isWrong) => together.filter((data, i) => isWrong(data, alone[i])).length
  const session = await openSession(workload.onnx)
  try {
    return {
      name: workload.name,
      otherBits: count((data, expected) => bitsOf(data) !== bitsOf(expected)),
      // Not "more than": what is not a number is no answer either.
      further: count((data, expected) => !(distance(data, expected) <= tolerance)),
      invariant: await isBatchInvariant(session, workload, items),
    }
  } finally {
    await session.release()
  }
}

export async function runIdentical({ server, plan }) {
  const rows = []
  for (const name of names) rows.push(await compare(server, workloadOf(name), plan.seed))
  const different = rows.map((row) => (row.invariant ? row.otherBits : row.further))
  return {
    title: 'The same answers in a crowd',
    notes: [
      `${callers} calls of infer at once, each with numbers of its own, beside the same ones ` +
        'alone. Where ONNX Runtime itself gives other bits in other batch sizes, no batching ' +
        `server can do better: there an answer is different when it is further than ${tolerance} ` +
        'of its largest number from the one alone; elsewhere, when it has other bits.',
    ],
    tables: [
      tableOf('', rows, {
        '': 'name',
        callers: () => callers,
        'ONNX Runtime is batch-invariant': 'invariant',
        'other bits': 'otherBits',
        [`further than ${tolerance}`]: 'further',
      }),
    ],
    facts: { 'identical/different': different.reduce((sum, count) => sum + count, 0) },
  }
}
