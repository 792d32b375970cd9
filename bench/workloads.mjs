// The models that are measured: where their files are, what goes in, what comes out.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { writeModel } from '../test/models/make-models.mjs'
import { convolutionModel, identityModel } from './models.mjs'
import { root, scratch } from './paths.mjs'

export const repository = join(scratch, 'models')
const digits = join(root, 'examples', 'digits', 'models', 'digits', '1', 'model.onnx')

/** The numbers that every peer is given, the raw C API included. */
export function numbers(length) {
  return Float32Array.from({ length }, (_, i) => ((i * 7919) % 1000) / 1000)
}

/** W1: bytes go in and come out. Our side has a backend of its own for that. */
function identity(name, length, maxBatchSize) {
  return {
    id: 'W1',
    name,
    backend: 'identity',
    maxBatchSize,
    itemShape: [length],
    outputShape: [length],
    makeOnnx: (path) => writeFileSync(path, identityModel(length)),
  }
}

/** W2: dense layers. */
function mlp(width, outputs) {
  const name = `mlp${width}`
  return {
    id: 'W2',
    name,
    itemShape: [width],
    outputShape: [outputs],
    makeOnnx: (path) => writeModel(path, name),
  }
}

const defaults = { backend: 'onnxruntime', maxBatchSize: 64, input: 'input', output: 'output' }

function complete(workload) {
  const length = workload.itemShape.reduce((a, b) => a * b)
  const onnx = join(repository, workload.name, '1', 'model.onnx')
  return { ...defaults, ...workload, data: numbers(length), onnx }
}

/**
 * One workload: `input`/`output` are tensor names, `itemShape`/`outputShape` without the batch
 * dimension, `data` one item. `onnx` is the file the peers run.
 */
export const workloads = [
  identity('identity-1', 1, 64),
  identity('identity-4k', 1024, 64),
  identity('identity-602k', 150_528, 8),
  identity('identity-16m', 4_194_304, 1),
  {
    id: 'W2',
    name: 'digits',
    input: 'image',
    output: 'logits',
    itemShape: [1, 8, 8],
    outputShape: [10],
    makeOnnx: (path) => copyFileSync(digits, path),
  },
  mlp(64, 10),
  mlp(512, 128),
  mlp(2048, 128),
  {
    id: 'W3',
    name: 'cnn',
    itemShape: [3, 32, 32],
    outputShape: [10],
    makeOnnx: (path) => writeFileSync(path, convolutionModel()),
  },
].map(complete)

/** For counts, and for whoever wants a model that does nothing; not in the tables. */
const plain = complete(identity('identity', 16, 64))

export function workloadOf(name) {
  const found = workloads.find((workload) => workload.name === name)
  if (found) return found
  throw new RangeError(`no model '${name}'; there are ${workloads.map((w) => w.name).join(', ')}`)
}

/** config.pbtxt of a workload, or of the same model batched otherwise. */
export function configText(workload, { name, maxBatchSize, batching } = {}) {
  const tensor = (tensorName, dims) =>
    `[ { name: "${tensorName}" data_type: TYPE_FP32 dims: [ ${dims.join(', ')} ] } ]`
  return `name: "${name ?? workload.name}"
backend: "${workload.backend}"
max_batch_size: ${maxBatchSize ?? workload.maxBatchSize}
input ${tensor(workload.input, workload.itemShape)}
output ${tensor(workload.output, workload.outputShape)}
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { ${batching ?? ''} }
`
}

/** The model of `workload` once more, under a name and with a batching of its own. */
export function writeVariant(workload, variant) {
  const folder = join(repository, variant.name)
  mkdirSync(join(folder, '1'), { recursive: true })
  if (existsSync(workload.onnx)) copyFileSync(workload.onnx, join(folder, '1', 'model.onnx'))
  writeFileSync(join(folder, 'config.pbtxt'), configText(workload, variant))
}

/** Writes the model repository that every peer reads its files from. */
export function writeRepository() {
  for (const workload of [...workloads, plain]) {
    const folder = dirname(workload.onnx)
    mkdirSync(folder, { recursive: true })
    if (!existsSync(workload.onnx)) workload.makeOnnx(workload.onnx)
    writeFileSync(join(folder, '..', 'config.pbtxt'), configText(workload))
  }
}
