// A hundred callers at once get what each would have got alone.
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { Tensor } from 'trident'
import { seededRandom } from '../load/arrivals.mjs'
import { openSession } from '../peers/onnxruntime-node.mjs'
import { workloadOf } from '../workloads.mjs'

const callers = 100
const names = ['identity-4k', 'digits', 'mlp64', 'mlp512']

const bitsOf = (numbers) =>
  Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('latin1')

function makeItems(workload, seed) {
  const random = seededRandom(seed)
  return Array.from({ length: callers }, () => workload.data.map(() => random() * 2 - 1))
}

/** Whether ONNX Runtime itself gives a row of a batch the bits that it gives the item alone. */
async function isBatchInvariant(workload, items) {
  const session = await openSession(workload.onnx)
  const run = async (numbers, count) => {
    const tensor = new OrtTensor('float32', numbers, [count, ...workload.itemShape])
    return (await session.run({ [workload.input]: tensor }))[workload.output].data
  }
  const { length } = workload.data
  const alone = await Promise.all(items.map((item) => run(item, 1)))
  let invariant = true
  for (let count = 2; count <= workload.maxBatchSize; count++) {
    const batch = new Float32Array(count * length)
    for (let i = 0; i < count; i++) batch.set(items[i], i * length)
    const answer = await run(batch, count)
    const size = answer.length / count
    for (let i = 0; i < count; i++) {
      const row = answer.slice(i * size, (i + 1) * size)
      invariant &&= bitsOf(row) === bitsOf(alone[i])
    }
  }
  await session.release()
  return invariant
}

async function compare(server, workload, seed) {
  const model = await server.loadModel(workload.name)
  const items = makeItems(workload, seed)
  const shape = [1, ...workload.itemShape]
  const inputs = items.map((item) => ({ [workload.input]: new Tensor('FP32', item, shape) }))
  const alone = inputs.map((input) => bitsOf(model.inferSync(input)[workload.output].data))
  const together = await Promise.all(inputs.map((input) => model.infer(input)))
  const different = together.filter(
    (answer, i) => bitsOf(answer[workload.output].data) !== alone[i],
  ).length
  return { name: workload.name, different, invariant: await isBatchInvariant(workload, items) }
}

export async function runIdentical({ server, plan }) {
  const rows = []
  for (const name of names) rows.push(await compare(server, workloadOf(name), plan.seed))
  const wrong = rows.filter(({ invariant }) => invariant).map(({ different }) => different)
  return {
    title: 'The same answers in a crowd',
    notes: [
      `${callers} calls of infer at once, each with numbers of its own, beside the same ones ` +
        'alone, bit for bit. Where ONNX Runtime itself gives other bits in other batch sizes, no ' +
        'batching server can do better.',
    ],
    tables: [
      {
        title: '',
        columns: ['', 'callers', 'different answers', 'ONNX Runtime is batch-invariant'],
        rows: rows.map((row) => [row.name, callers, row.different, row.invariant]),
      },
    ],
    facts: { 'identical/different': wrong.reduce((sum, count) => sum + count, 0) },
  }
}
