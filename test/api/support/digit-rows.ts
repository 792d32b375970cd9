// The recurrent model of examples/digit-rows: eight requests per image, a row each.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { images } from './digits.js'
import { type ModelConfig, root } from './trident.js'

const folder = join(root, 'examples/digit-rows')
export const rowsRepository = join(folder, 'models')
export const rowsFile = join(rowsRepository, 'digit_rows/1/model.onnx')
export const rowsPerImage = 8
export const classes = 10

const bytes = readFileSync(join(folder, 'data/logits.f32'))
export const rowsLogits = new Float32Array(
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
)

export function rowOf(image: number, row: number): Float32Array {
  const begin = (image * rowsPerImage + row) * 8
  return images.slice(begin, begin + 8)
}

export type SequenceBatching = NonNullable<ModelConfig['sequenceBatching']>

export function rowsConfig(sequenceBatching: SequenceBatching): ModelConfig {
  return {
    backend: 'onnxruntime',
    maxBatchSize: 64,
    input: [{ name: 'row', dataType: 'TYPE_FP32', dims: [8] }],
    output: [{ name: 'logits', dataType: 'TYPE_FP32', dims: [10] }],
    instanceGroup: [{ count: 1, kind: 'KIND_CPU' }],
    sequenceBatching: {
      maxSequenceIdleMicroseconds: 60_000_000,
      state: [
        {
          inputName: 'state_in',
          outputName: 'state_out',
          dataType: 'TYPE_FP32',
          dims: [48],
          initialState: [{ name: 'zero', dataType: 'TYPE_FP32', dims: [48], zeroData: true }],
        },
      ],
      ...sequenceBatching,
    },
  }
}
