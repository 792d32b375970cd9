// Writes the ONNX models that tests and benchmarks use. Deterministic: the weights come from a
// seeded generator, so every machine has the same files.
//
//   node test/models/make-models.mjs <directory> [name ...]
//
// writes <directory>/<name>.onnx for the names given, or for all.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { encodeModel, input, node, output, tensor } from './onnx-writer.mjs'

/** Triton datatype -> ONNX element type name, for the identity models. */
const identityTypes = {
  BOOL: 'BOOL',
  UINT8: 'UINT8',
  UINT16: 'UINT16',
  UINT32: 'UINT32',
  UINT64: 'UINT64',
  INT8: 'INT8',
  INT16: 'INT16',
  INT32: 'INT32',
  INT64: 'INT64',
  FP16: 'FLOAT16',
  FP32: 'FLOAT',
  FP64: 'DOUBLE',
  BYTES: 'STRING',
  BF16: 'BFLOAT16',
}

/** A generator of numbers in [-1, 1): 32-bit xorshift, the same on every machine. */
function seededRandom(seed) {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 31 - 1
  }
}

/** Weights of a dense layer, scaled so that activations neither vanish nor explode. */
function weights(random, rows, columns) {
  const scale = Math.sqrt(3 / rows)
  return Float32Array.from({ length: rows * columns }, () => random() * scale)
}

/** input FP32 [batch, widths[0]] -> dense layers with Relu between -> output [batch, last width]. */
function mlp(widths, seed) {
  const random = seededRandom(seed)
  const nodes = []
  const initializers = []
  let previous = 'input'
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const [rows, columns] = [widths[layer], widths[layer + 1]]
    const last = layer + 2 === widths.length
    initializers.push(tensor(`w${layer}`, 'FLOAT', [rows, columns], weights(random, rows, columns)))
    initializers.push(tensor(`b${layer}`, 'FLOAT', [columns], weights(random, columns, 1)))
    const result = last ? 'output' : `dense${layer}`
    nodes.push(node('Gemm', [previous, `w${layer}`, `b${layer}`], [result]))
    if (!last) nodes.push(node('Relu', [result], [`relu${layer}`]))
    previous = `relu${layer}`
  }
  return encodeModel({
    nodes,
    initializers,
    inputs: [input('input', 'FLOAT', ['batch', widths[0]])],
    outputs: [output('output', 'FLOAT', ['batch', widths.at(-1)])],
  })
}

/**
 * input FP32 [batch, 256] -> output [batch, 256] through 160 products of 256 x 256 matrices: more
 * than 10 ms per item even on fast cores, with next to no weights.
 */
function slow() {
  const nodes = [
    node('Unsqueeze', ['input', 'last'], ['column']),
    node('Unsqueeze', ['input', 'middle'], ['row']),
    node('Mul', ['column', 'row'], ['square0']),
  ]
  for (let i = 0; i < 160; i++) {
    nodes.push(node('MatMul', [`square${i}`, `square${i}`], [`product${i}`]))
    nodes.push(node('Tanh', [`product${i}`], [`square${i + 1}`]))
  }
  nodes.push(node('ReduceMean', ['square160', 'middle'], ['output'], { keepdims: 0 }))
  return encodeModel({
    nodes,
    initializers: [
      tensor('last', 'INT64', [1], BigInt64Array.of(2n)),
      tensor('middle', 'INT64', [1], BigInt64Array.of(1n)),
    ],
    inputs: [input('input', 'FLOAT', ['batch', 256])],
    outputs: [output('output', 'FLOAT', ['batch', 256])],
  })
}

/** input -> output, [batch, n] with both dimensions variable. */
function identity(type) {
  return encodeModel({
    nodes: [node('Identity', ['input'], ['output'])],
    inputs: [input('input', type, ['batch', 'n'])],
    outputs: [output('output', type, ['batch', 'n'])],
  })
}

/** sum = a + b and difference = a - b, FP32 [batch, 16]. */
function addSub() {
  const shape = ['batch', 16]
  return encodeModel({
    nodes: [node('Add', ['a', 'b'], ['sum']), node('Sub', ['a', 'b'], ['difference'])],
    inputs: [input('a', 'FLOAT', shape), input('b', 'FLOAT', shape)],
    outputs: [output('sum', 'FLOAT', shape), output('difference', 'FLOAT', shape)],
  })
}

/** output = a + b with lengths that only the run can check: [batch, n] and [batch, m]. */
function addVariable() {
  return encodeModel({
    nodes: [node('Add', ['a', 'b'], ['output'])],
    inputs: [input('a', 'FLOAT', ['batch', 'n']), input('b', 'FLOAT', ['batch', 'm'])],
    outputs: [output('output', 'FLOAT', ['batch', 'k'])],
  })
}

/** Places of the non-zero elements: the output's shape depends on the input's values. */
function nonZero() {
  return encodeModel({
    nodes: [node('NonZero', ['input'], ['output'])],
    inputs: [input('input', 'FLOAT', ['n'])],
    outputs: [output('output', 'INT64', [1, 'count'])],
  })
}

/** Row `index` of a table of eight rows; an index outside of it makes the whole batch fail. */
function gather() {
  const table = Float32Array.from({ length: 32 }, (_, i) => i)
  return encodeModel({
    nodes: [node('Gather', ['table', 'index'], ['output'])],
    initializers: [tensor('table', 'FLOAT', [8, 4], table)],
    inputs: [input('index', 'INT64', ['batch', 1])],
    outputs: [output('output', 'FLOAT', ['batch', 1, 4])],
  })
}

/** A vector of four numbers, without a batch dimension. */
function fixed() {
  return encodeModel({
    nodes: [node('Identity', ['input'], ['output'])],
    inputs: [input('input', 'FLOAT', [4])],
    outputs: [output('output', 'FLOAT', [4])],
  })
}

/** The sum of a vector, as a scalar: shape [] in the file. */
function scalar() {
  return encodeModel({
    nodes: [node('ReduceSum', ['input'], ['output'], { keepdims: 0 })],
    inputs: [input('input', 'FLOAT', [4])],
    outputs: [output('output', 'FLOAT', [])],
  })
}

/** Picks a number by index, one per item: tensors of nothing but the batch dimension. */
function pick() {
  const table = Float32Array.from({ length: 8 }, (_, i) => i * 10)
  return encodeModel({
    nodes: [node('Gather', ['table', 'index'], ['output'])],
    initializers: [tensor('table', 'FLOAT', [8], table)],
    inputs: [input('index', 'INT64', ['batch'])],
    outputs: [output('output', 'FLOAT', ['batch'])],
  })
}

/**
 * Every kind of batch input, made of a ragged input of rank 2, and given back by item. `doubled` has
 * the elements of all requests in one dimension: a batch output.
 */
function ragged() {
  const int64 = (name, values) =>
    tensor(name, 'INT64', [values.length], BigInt64Array.from(values, BigInt))
  return encodeModel({
    nodes: [
      node('Add', ['values', 'values'], ['doubled']),
      node('Identity', ['counts'], ['count']),
      node('Identity', ['totals'], ['total']),
      node('Slice', ['bounds', 'zero', 'minus_one'], ['begin']),
      node('Slice', ['bounds', 'one', 'far'], ['end']),
      node('Shape', ['longest'], ['longest_shape']),
      node('Shape', ['counts'], ['requests']),
      node('Expand', ['longest_shape', 'requests'], ['max']),
      node('Identity', ['shapes'], ['shape']),
      node('Reshape', ['flat_shapes', 'pairs'], ['flat_shape']),
    ],
    initializers: [
      int64('zero', [0]),
      int64('one', [1]),
      int64('minus_one', [-1]),
      int64('far', [1_000_000]),
      int64('pairs', [-1, 2]),
    ],
    inputs: [
      input('values', 'FLOAT', ['n']),
      input('counts', 'INT32', ['requests']),
      input('totals', 'FLOAT', ['requests']),
      input('bounds', 'INT32', ['bounds']),
      input('longest', 'FLOAT', ['longest']),
      input('shapes', 'INT32', ['items', 2]),
      input('flat_shapes', 'FLOAT', ['dims']),
    ],
    outputs: [
      output('doubled', 'FLOAT', ['n']),
      output('count', 'INT32', ['requests']),
      output('total', 'FLOAT', ['requests']),
      output('begin', 'INT32', ['requests']),
      output('end', 'INT32', ['requests']),
      output('max', 'INT64', ['requests']),
      output('shape', 'INT32', ['items', 2]),
      output('flat_shape', 'FLOAT', ['items', 2]),
    ],
  })
}

/** output = input * scale; scale has a default, 3. */
function defaultScale() {
  return encodeModel({
    nodes: [node('Mul', ['input', 'scale'], ['output'])],
    initializers: [tensor('scale', 'FLOAT', [1], Float32Array.of(3))],
    inputs: [input('input', 'FLOAT', ['n']), input('scale', 'FLOAT', [1])],
    outputs: [output('output', 'FLOAT', ['n'])],
  })
}

/** sum_out = output = input + sum_in, FP32 [batch, n]: a state that a sequence adds up. */
function accumulate() {
  const shape = ['batch', 'n']
  return encodeModel({
    nodes: [
      node('Add', ['input', 'sum_in'], ['output']),
      node('Identity', ['output'], ['sum_out']),
    ],
    inputs: [input('input', 'FLOAT', shape), input('sum_in', 'FLOAT', shape)],
    outputs: [output('output', 'FLOAT', shape), output('sum_out', 'FLOAT', shape)],
  })
}

/** past_out = output = past_in and then input, FP32 [batch, n]: a state that grows. */
function history() {
  const shape = (n) => ['batch', n]
  return encodeModel({
    nodes: [
      node('Concat', ['past_in', 'input'], ['output'], { axis: 1 }),
      node('Identity', ['output'], ['past_out']),
    ],
    inputs: [input('input', 'FLOAT', shape('n')), input('past_in', 'FLOAT', shape('m'))],
    outputs: [output('output', 'FLOAT', shape('k')), output('past_out', 'FLOAT', shape('k'))],
  })
}

/** output = the text before, and the input is the next one's: a state of strings. */
function lastText() {
  const shape = ['batch', 1]
  return encodeModel({
    nodes: [node('Identity', ['text_in'], ['output']), node('Identity', ['input'], ['text_out'])],
    inputs: [input('input', 'STRING', shape), input('text_in', 'STRING', shape)],
    outputs: [output('output', 'STRING', shape), output('text_out', 'STRING', shape)],
  })
}

/** text STRING [batch, 1] -> text_out, and numbers FP32 [batch, 4] -> numbers_out. */
function captioned() {
  return encodeModel({
    nodes: [
      node('Identity', ['text'], ['text_out']),
      node('Identity', ['numbers'], ['numbers_out']),
    ],
    inputs: [input('text', 'STRING', ['batch', 1]), input('numbers', 'FLOAT', ['batch', 4])],
    outputs: [
      output('text_out', 'STRING', ['batch', 1]),
      output('numbers_out', 'FLOAT', ['batch', 4]),
    ],
  })
}

/** The sequence controls, given back: flags of each type, and the correlation id. */
function controls(idType) {
  const control = (name, type) => [name, type, ['batch', 1]]
  const tensors = [
    control('start', 'INT32'),
    control('ready', 'FLOAT'),
    control('end', 'BOOL'),
    control('id', idType),
  ]
  return encodeModel({
    nodes: [
      node('Identity', ['input'], ['output']),
      ...tensors.map(([name]) => node('Identity', [name], [`${name}_out`])),
    ],
    inputs: [input('input', 'FLOAT', ['batch', 1]), ...tensors.map((args) => input(...args))],
    outputs: [
      output('output', 'FLOAT', ['batch', 1]),
      ...tensors.map(([name, type, shape]) => output(`${name}_out`, type, shape)),
    ],
  })
}

/** Weights kept in another file, which a test may place outside of the model's directory. */
function externalWeights(location) {
  return encodeModel({
    nodes: [node('Add', ['input', 'weights'], ['output'])],
    initializers: [tensor('weights', 'FLOAT', [4], undefined, { location, offset: 0, length: 16 })],
    inputs: [input('input', 'FLOAT', ['batch', 4])],
    outputs: [output('output', 'FLOAT', ['batch', 4])],
  })
}

/** raw UINT8 [batch, 1, 8, 8] of 0 to 16 -> image FP32 of 0 to 1: what examples/digits is given. */
function normalise() {
  return encodeModel({
    nodes: [
      node('Cast', ['raw'], ['floats'], { to: 1 }),
      node('Div', ['floats', 'largest'], ['image']),
    ],
    initializers: [tensor('largest', 'FLOAT', [], new Float32Array([16]))],
    inputs: [input('raw', 'UINT8', ['batch', 1, 8, 8])],
    outputs: [output('image', 'FLOAT', ['batch', 1, 8, 8])],
  })
}

/** logits FP32 [batch, 10] -> digit INT64 [batch, 1]: the position of the largest. */
function top1() {
  return encodeModel({
    nodes: [node('ArgMax', ['logits'], ['digit'], { axis: 1, keepdims: 1 })],
    inputs: [input('logits', 'FLOAT', ['batch', 10])],
    outputs: [output('digit', 'INT64', ['batch', 1])],
  })
}

/** Name -> () => bytes of the ONNX file. */
export const models = {
  ...Object.fromEntries(
    Object.entries(identityTypes).map(([datatype, type]) => [
      `identity_${datatype.toLowerCase()}`,
      () => identity(type),
    ]),
  ),
  mlp64: () => mlp([64, 128, 64, 10], 64),
  mlp512: () => mlp([512, 1024, 1024, 128], 512),
  mlp2048: () => mlp([2048, 2048, 2048, 128], 2048),
  slow,
  add_sub: addSub,
  add_variable: addVariable,
  nonzero: nonZero,
  gather,
  fixed,
  scalar,
  pick,
  ragged,
  default_scale: defaultScale,
  accumulate,
  history,
  last_text: lastText,
  captioned,
  normalise,
  top1,
  controls_uint64: () => controls('UINT64'),
  controls_int32: () => controls('INT32'),
  controls_string: () => controls('STRING'),
  external_inside: () => externalWeights('weights.bin'),
  external_outside: () => externalWeights('../weights.bin'),
  external_absolute: () => externalWeights('/etc/hostname'),
  external_memory: () => externalWeights('*/_ORT_MEM_ADDR_/*'),
}

/** Writes model `name` to the file `path`, and the directories above it. */
export function writeModel(path, name) {
  const make = models[name]
  if (!make) throw new RangeError(`no model '${name}'; there are ${Object.keys(models).join(', ')}`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, make())
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [directory, ...names] = argv.slice(2)
  if (!directory) throw new Error('usage: make-models.mjs <directory> [name ...]')
  for (const name of names.length ? names : Object.keys(models)) {
    writeModel(join(directory, `${name}.onnx`), name)
  }
}
