// ONNX files that only the benchmark needs. Deterministic, as those of the tests.
import { encodeModel, input, node, output, tensor } from '../test/models/onnx-writer.mjs'
import { seededRandom } from './load/arrivals.mjs'

/** Identity of `length` numbers per item: its size is fixed, so that all peers send the same. */
export function identityModel(length) {
  return encodeModel({
    nodes: [node('Identity', ['input'], ['output'])],
    inputs: [input('input', 'FLOAT', ['batch', length])],
    outputs: [output('output', 'FLOAT', ['batch', length])],
  })
}

const kernel = 3

/** FP32 [batch, 3, 32, 32] -> three convolutions, a mean over the picture -> [batch, 10]. */
export function convolutionModel() {
  const channels = [3, 16, 32, 32]
  const random = seededRandom(7)
  const weights = (fanIn, count) => {
    const scale = Math.sqrt(6 / fanIn)
    return Float32Array.from({ length: count }, () => (random() * 2 - 1) * scale)
  }
  const nodes = []
  const initializers = []
  let previous = 'input'
  for (let layer = 0; layer + 1 < channels.length; layer++) {
    const [from, to] = [channels[layer], channels[layer + 1]]
    const fanIn = from * kernel * kernel
    const shape = [to, from, kernel, kernel]
    initializers.push(tensor(`w${layer}`, 'FLOAT', shape, weights(fanIn, to * fanIn)))
    nodes.push(node('Conv', [previous, `w${layer}`], [`conv${layer}`]))
    nodes.push(node('Relu', [`conv${layer}`], [`relu${layer}`]))
    previous = `relu${layer}`
  }
  const last = channels.at(-1)
  initializers.push(tensor('dense', 'FLOAT', [last, 10], weights(last, last * 10)))
  nodes.push(node('GlobalAveragePool', [previous], ['mean']))
  nodes.push(node('Flatten', ['mean'], ['flat']))
  nodes.push(node('MatMul', ['flat', 'dense'], ['output']))
  return encodeModel({
    nodes,
    initializers,
    inputs: [input('input', 'FLOAT', ['batch', channels[0], 32, 32])],
    outputs: [output('output', 'FLOAT', ['batch', 10])],
  })
}
