// Three models in a row, as an ensemble and step by step from JavaScript.
import { join } from 'node:path'
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { createServer, Tensor } from 'trident'
import { checkSame } from '../answers.mjs'
import { measureAsync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { root } from '../paths.mjs'
import { openSession } from '../peers/onnxruntime-node.mjs'
import { tableOf } from '../report/format.mjs'

const examples = join(root, 'examples')
const steps = join(examples, 'ensemble', 'models')
const digits = join(examples, 'digits', 'models')
const scan = Uint8Array.from({ length: 64 }, (_, i) => (i * 7) % 17)
const shape = [1, 1, 8, 8]

async function ensembleCall(server) {
  const model = await server.loadModel('classify')
  const inputs = { scan: new Tensor('UINT8', scan, shape) }
  return async () => (await model.infer(inputs)).digit.data[0]
}

function byHandCall(server) {
  const [normalise, classify, top1] = ['normalise', 'digits', 'top1'].map((n) => server.model(n))
  const raw = new Tensor('UINT8', scan, shape)
  return async () => {
    const { image } = await normalise.infer({ raw })
    const { logits } = await classify.infer({ image })
    return (await top1.infer({ logits })).digit.data[0]
  }
}

async function onnxRuntimeNodeCall() {
  const files = [join(steps, 'normalise'), join(digits, 'digits'), join(steps, 'top1')]
  const sessions = await Promise.all(
    files.map((file) => openSession(join(file, '1', 'model.onnx'))),
  )
  const raw = new OrtTensor('uint8', scan, shape)
  const call = async () => {
    const { image } = await sessions[0].run({ raw })
    const { logits } = await sessions[1].run({ image })
    return (await sessions[2].run({ logits })).digit.data[0]
  }
  return { call, close: () => Promise.all(sessions.map((session) => session.release())) }
}

export async function runEnsemble({ plan }) {
  const server = await createServer({ modelRepository: [steps, digits], modelControl: 'explicit' })
  const peer = await onnxRuntimeNodeCall()
  try {
    const calls = [
      { name: 'trident, ensemble', call: await ensembleCall(server) },
      { name: 'trident, three infers by hand', call: byHandCall(server) },
      { name: 'onnxruntime-node, three runs by hand', call: peer.call },
    ]
    const answers = calls.map(async ({ name, call }) => ({ name, values: [Number(await call())] }))
    checkSame('ensemble', await Promise.all(answers))
    const cases = [1, 64].flatMap((outstanding) => calls.map((one) => ({ ...one, outstanding })))
    const measure = ({ call, outstanding }) => measureAsync(call, outstanding, plan.seconds)
    const rows = await measureCases(cases, measure, plan.rounds, 'ensemble')
    return {
      title: 'Three models in a row',
      notes: ['Bytes to an image, digits, the most likely digit: examples/ensemble.'],
      tables: [
        tableOf('', rows, {
          '': 'name',
          outstanding: 'outstanding',
          'p50 us': 'p50Us',
          'p99 us': 'p99Us',
          'items/s': 'perSecond',
        }),
      ],
      facts: {},
    }
  } finally {
    await peer.close()
    await server.close()
  }
}
