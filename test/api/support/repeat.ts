// The test backend that answers a request any number of times.
import { dirname, join } from 'node:path'
import { type Model, type ModelConfig, root, type Server } from './trident.js'

const built = process.env.TRIDENT_NATIVE_BINDING ?? join(root, 'build/Release/out/trident.node')
/** Backends for tests, and ours. */
export const testBackends = join(dirname(built), 'test_backends')

/** "output" is "input", "index" counts; as often as "count" says, without end if it is negative. */
export const repeatConfig: ModelConfig = {
  backend: 'repeat',
  modelTransactionPolicy: { decoupled: true },
  input: [
    { name: 'input', dataType: 'TYPE_FP32', dims: [-1] },
    { name: 'count', dataType: 'TYPE_INT32', dims: [1] },
  ],
  output: [
    { name: 'output', dataType: 'TYPE_FP32', dims: [-1] },
    { name: 'index', dataType: 'TYPE_INT32', dims: [1] },
  ],
}

export function loadRepeat(
  server: Server,
  name = 'repeat',
  config: ModelConfig = repeatConfig,
): Promise<Model> {
  return server.loadModel({ name, config, files: { '1/unused': new Uint8Array(0) } })
}

export function repeat(count: number, ...input: number[]) {
  return { input: Float32Array.from(input), count: Int32Array.of(count) }
}

/** As `repeat`, until somebody cancels it. */
export const endless = () => repeat(-1, 1)
