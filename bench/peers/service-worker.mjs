// The worker's side of a service: one session of onnxruntime-node, asked with the bytes of an item.
import { parentPort, workerData } from 'node:worker_threads'
import { Tensor } from 'onnxruntime-node'
import { openSession } from './onnxruntime-node.mjs'

const { kind, onnx, input, output, itemShape } = workerData
const session = await openSession(onnx)

/** Float32Array in, Float32Array out. */
async function answer(item) {
  const feeds = { [input]: new Tensor('float32', item, [1, ...itemShape]) }
  return (await session.run(feeds))[output].data
}

const { serve } = await import(`./${kind}.mjs`)
parentPort.postMessage({ port: await serve(answer) })
