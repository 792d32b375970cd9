// Everybody who answers the same request in this run: { name, outstanding, measure }.
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { Tensor } from 'trident'
import { findOnnxRuntime } from '../dist/esm/onnxruntime.js'
import { measureAsync, measureSync } from './measure.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Batch sizes a static batch may have: what a model is configured for. */
const largestBatch = 64

async function ourPeers(server, workload, outstandings) {
  const model = await server.loadModel(workload.name)
  const shape = [1, ...workload.itemShape]
  const inputs = { [workload.input]: new Tensor('FP32', workload.data, shape) }
  const result = new Float32Array(workload.outputShape.reduce((a, b) => a * b))
  const outputs = { [workload.output]: new Tensor('FP32', result, [1, ...workload.outputShape]) }
  const prepared = model.prepare({ inputs, outputs })
  const peer = (name, outstanding, measure) => ({ name, outstanding, measure })
  return [
    peer('trident prepared sync', 1, (seconds) => measureSync(() => prepared.sync(), seconds)),
    peer('trident inferSync', 1, (seconds) => measureSync(() => model.inferSync(inputs), seconds)),
    ...outstandings.map((count) =>
      peer('trident infer', count, (seconds) =>
        measureAsync(() => model.infer(inputs), count, seconds),
      ),
    ),
  ]
}

async function onnxRuntimeNodePeers(workload, outstandings) {
  const session = await InferenceSession.create(workload.onnx, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  })
  const shape = [1, ...workload.itemShape]
  const feeds = { [workload.input]: new OrtTensor('float32', workload.data, shape) }
  return outstandings.map((count) => ({
    name: 'onnxruntime-node run',
    outstanding: count,
    measure: (seconds) => measureAsync(() => session.run(feeds), count, seconds),
  }))
}

/** The C API in a loop in a process of its own; `outstanding` items go in as static batches. */
function rawPeers(workload, outstandings) {
  const library = findOnnxRuntime()
  const program = join(root, 'build', 'Release', 'out', 'trident_ort_raw')
  const measure = async (count, seconds) => {
    const batch = Math.min(count, largestBatch)
    const args = ['--library', library, '--model', workload.onnx, '--batches', String(batch)]
    const { stdout } = await promisify(execFile)(program, [...args, '--seconds', String(seconds)])
    const [row] = JSON.parse(stdout)
    return {
      calls: row.runs,
      p50Us: row.p50_us,
      p90Us: row.p90_us,
      p99Us: row.p99_us,
      perSecond: row.items_per_second,
    }
  }
  return outstandings.map((count) => ({
    name: 'ONNX Runtime C API, static batch',
    outstanding: count,
    measure: (seconds) => measure(count, seconds),
  }))
}

export async function peersOf(server, workload, outstandings) {
  return [
    ...(await ourPeers(server, workload, outstandings)),
    ...(await onnxRuntimeNodePeers(workload, outstandings)),
    ...rawPeers(workload, outstandings),
  ]
}
