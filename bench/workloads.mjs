// The models that are measured: where their files are, what goes in, what comes out.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeModel } from '../test/models/make-models.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const repository = join(root, 'build', 'bench', 'models')
const digits = join(root, 'examples', 'digits')

function firstImage() {
  const bytes = readFileSync(join(digits, 'data', 'images.f32'))
  return new Float32Array(bytes.buffer, bytes.byteOffset, 64).slice()
}

function ramp(length) {
  return Float32Array.from({ length }, (_, i) => ((i * 7919) % 1000) / 1000)
}

/**
 * One workload: `input`/`output` are tensor names, `itemShape`/`outputShape` without the batch
 * dimension, `data` one item. `onnx` is the file the peers run; the identity model of ours has a
 * backend of its own instead.
 */
export const workloads = [
  {
    name: 'identity',
    backend: 'identity',
    input: 'input',
    output: 'output',
    itemShape: [16],
    outputShape: [16],
    data: ramp(16),
    makeOnnx: (path) => writeModel(path, 'identity_fp32'),
  },
  {
    name: 'digits',
    backend: 'onnxruntime',
    input: 'image',
    output: 'logits',
    itemShape: [1, 8, 8],
    outputShape: [10],
    data: firstImage(),
    makeOnnx: (path) => copyFileSync(join(digits, 'models', 'digits', '1', 'model.onnx'), path),
  },
  {
    name: 'mlp512',
    backend: 'onnxruntime',
    input: 'input',
    output: 'output',
    itemShape: [512],
    outputShape: [128],
    data: ramp(512),
    makeOnnx: (path) => writeModel(path, 'mlp512'),
  },
  {
    name: 'mlp2048',
    backend: 'onnxruntime',
    input: 'input',
    output: 'output',
    itemShape: [2048],
    outputShape: [128],
    data: ramp(2048),
    makeOnnx: (path) => writeModel(path, 'mlp2048'),
  },
].map((workload) => ({
  ...workload,
  onnx: join(repository, workload.name, '1', 'model.onnx'),
}))

const maxBatchSize = 64

function config({ name, backend, input, output, itemShape, outputShape }) {
  const tensor = (tensorName, dims) =>
    `[ { name: "${tensorName}" data_type: TYPE_FP32 dims: [ ${dims.join(', ')} ] } ]`
  return `name: "${name}"
backend: "${backend}"
max_batch_size: ${maxBatchSize}
input ${tensor(input, itemShape)}
output ${tensor(output, outputShape)}
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { }
`
}

/** Writes the model repository that every peer reads its files from. */
export function writeRepository() {
  for (const workload of workloads) {
    const folder = dirname(workload.onnx)
    mkdirSync(folder, { recursive: true })
    if (!existsSync(workload.onnx)) workload.makeOnnx(workload.onnx)
    writeFileSync(join(folder, '..', 'config.pbtxt'), config(workload))
  }
}
