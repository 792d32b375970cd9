// Ours, in the ways an application may call it.
import { Tensor } from 'trident'
import { measureAsync, measureSync } from '../load/closed-loop.mjs'

export function inputsOf({ input, itemShape, data }) {
  return { [input]: new Tensor('FP32', data, [1, ...itemShape]) }
}

export async function tridentPeers(server, workload) {
  const model = await server.loadModel(workload.name)
  const inputs = inputsOf(workload)
  const result = new Float32Array(workload.outputShape.reduce((a, b) => a * b))
  const outputs = { [workload.output]: new Tensor('FP32', result, [1, ...workload.outputShape]) }
  const prepared = model.prepare({ inputs, outputs })
  const dataOf = (answer) => answer[workload.output].data
  const sync = (name, call, close = () => {}) => ({
    name,
    one: true,
    runSync: call,
    answer: async () => dataOf(call()),
    measure: async (_, seconds) => measureSync(call, seconds),
    close,
  })
  const infer = () => model.infer(inputs)
  return [
    sync(
      'trident prepared sync',
      () => prepared.sync(),
      () => prepared.close(),
    ),
    sync('trident inferSync', () => model.inferSync(inputs)),
    {
      name: 'trident infer',
      call: infer,
      answer: async () => dataOf(await infer()),
      measure: (outstanding, seconds) => measureAsync(infer, outstanding, seconds),
      close: () => {},
    },
  ]
}
