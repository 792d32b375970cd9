// onnxruntime-node called directly.
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { measureAsync } from '../load/closed-loop.mjs'

export function openSession(onnx) {
  return InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1 })
}

export async function onnxRuntimeNodePeer(workload) {
  const session = await openSession(workload.onnx)
  const shape = [1, ...workload.itemShape]
  const feeds = { [workload.input]: new Tensor('float32', workload.data, shape) }
  const call = () => session.run(feeds)
  return {
    name: 'onnxruntime-node',
    call,
    answer: async () => (await call())[workload.output].data,
    measure: (outstanding, seconds) => measureAsync(call, outstanding, seconds),
    close: () => session.release(),
  }
}
