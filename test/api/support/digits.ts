import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './trident.js'

const folder = join(root, 'examples/digits')

function readFloats(name: string): Float32Array {
  const bytes = readFileSync(join(folder, 'data', name))
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

export const modelRepository = join(folder, 'models')
export const modelFile = join(modelRepository, 'digits/1/model.onnx')
export const imageCount = 360
export const pixels = 64
export const classes = 10
export const images = readFloats('images.f32')
export const labels = readFileSync(join(folder, 'data/labels.u8'))
export const recordedLogits = readFloats('logits.f32')

export function imageOf(index: number): Float32Array {
  return images.slice(index * pixels, (index + 1) * pixels)
}

export function recordedOf(index: number): Float32Array {
  return recordedLogits.slice(index * classes, (index + 1) * classes)
}
