// The models that are measured: where their files are, what goes in, what comes out.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
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

/** Numbers go in and come out, through Trident's own backend, which needs no file. */
function identity(name, length, maxBatchSize) {
  return {
    name,
    backend: 'identity',
    maxBatchSize,
    itemShape: [length],
    outputShape: [length],
    makeOnnx: () => {},
  }
}

/** The same as a model that every peer can run. */
function onnxIdentity(name, length, maxBatchSize) {
  return {
    ...identity(name, length, maxBatchSize),
    backend: 'onnxruntime',
    makeOnnx: (path) => writeFileSync(path, identityModel(length)),
  }
}

/** Dense layers. */
function mlp(width, outputs) {
  const name = `mlp${width}`
  return {
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
 * dimension, `data` one item. `onnx` is the file that everybody runs.
 */
export const workloads = [
  onnxIdentity('onnx-identity-1', 1, 64),
  onnxIdentity('onnx-identity-4k', 1024, 64),
  onnxIdentity('onnx-identity-602k', 150_528, 8),
  onnxIdentity('onnx-identity-16m', 4_194_304, 1),
  {
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
    name: 'cnn',
    itemShape: [3, 32, 32],
    outputShape: [10],
    makeOnnx: (path) => writeFileSync(path, convolutionModel()),
  },
].map(complete)

/** Without ONNX Runtime: for what Trident's own path takes, where nobody else is measured. */
const own = [
  identity('identity', 16, 64),
  identity('identity-602k', 150_528, 8),
  identity('identity-16m', 4_194_304, 1),
].map(complete)

const all = [...workloads, ...own]

export function workloadOf(name) {
  const found = all.find((workload) => workload.name === name)
  if (found) return found
  throw new RangeError(`no model '${name}'; there are ${all.map((w) => w.name).join(', ')}`)
}

/** config.pbtxt of a workload, or of the same model batched otherwise. */
export function configText(workload, { name, maxBatchSize, batching, instances = 1 } = {}) {
  const tensor = (tensorName, dims) =>
    `[ { name: "${tensorName}" data_type: TYPE_FP32 dims: [ ${dims.join(', ')} ] } ]`
  return `name: "${name ?? workload.name}"
backend: "${workload.backend}"
max_batch_size: ${maxBatchSize ?? workload.maxBatchSize}
input ${tensor(workload.input, workload.itemShape)}
output ${tensor(workload.output, workload.outputShape)}
instance_group [ { count: ${instances} kind: KIND_CPU } ]
dynamic_batching { ${batching ?? ''} }
`
}

/** The model of `workload` once more, under a name and with a batching of its own. */
export function writeVariant(workload, variant) {
  const folder = join(repository, variant.name)
  mkdirSync(join(folder, '1'), { recursive: true })
  copyFileSync(workload.onnx, join(folder, '1', 'model.onnx'))
  writeFileSync(join(folder, 'config.pbtxt'), configText(workload, variant))
}

/** Writes the model repository that every peer reads its files from. */
export function writeRepository() {
  for (const workload of all) {
    const folder = dirname(workload.onnx)
    mkdirSync(folder, { recursive: true })
    workload.makeOnnx(workload.onnx)
    writeFileSync(join(folder, '..', 'config.pbtxt'), configText(workload))
  }
}
