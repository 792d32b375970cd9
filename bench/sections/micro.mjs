// Single operations, with benchmark.js.
import Benchmark from 'benchmark'
import { SharedMemory, Tensor } from 'trident'
import { getBridge } from '../../dist/esm/bridge.js'
import { workloadOf } from '../workloads.mjs'

function runSuite(suite) {
  return new Promise((resolve, reject) => {
    suite.on('error', (event) => reject(event.target.error))
    suite.on('complete', () =>
      resolve(suite.map(({ name, stats }) => [name, stats.mean * 1e6, stats.rme])),
    )
    suite.run({ async: true })
  })
}

export async function runMicro({ server, plan }) {
  const { name, input, output, itemShape, outputShape, data } = workloadOf('digits')
  const model = await server.loadModel(name)
  const inputs = { [input]: new Tensor('FP32', data, [1, ...itemShape]) }
  const result = new Float32Array(outputShape.reduce((a, b) => a * b))
  const outputs = { [output]: new Tensor('FP32', result, [1, ...outputShape]) }
  const key = `/trident-bench-${process.pid}`
  const region = SharedMemory.create(key, { byteSize: 1 << 20 })
  const small = new Uint8Array(256)
  const large = new Uint8Array(1 << 20)
  const { native } = getBridge()
  const prepared = model.prepare({ inputs, outputs })
  const options = { minSamples: plan.quick ? 5 : 20, maxTime: plan.microSeconds }
  const deferred = (call) => ({
    ...options,
    defer: true,
    fn: (task) =>
      call().then(
        () => task.resolve(),
        (error) => task.benchmark.abort(error),
      ),
  })

  const suite = new Benchmark.Suite()
    .add('crossing to native and back', () => native.alignment(small), options)
    .add('prepared.sync', () => prepared.sync(), options)
    .add(
      'prepared.async',
      deferred(() => prepared.async()),
    )
    .add('inferSync', () => model.inferSync(inputs), options)
    .add(
      'infer',
      deferred(() => model.infer(inputs)),
    )
    .add('region.write 256 B', () => region.write(0, small), options)
    .add('region.read 256 B', () => region.read(0, small), options)
    .add('region.write 1 MiB', () => region.write(0, large), options)
    .add('region.read 1 MiB', () => region.read(0, large), options)
  try {
    return {
      title: 'Single operations',
      notes: [
        `By benchmark.js; model ${name}. infer and prepared.async are timed until the answer is ` +
          'there, one after another; the others are what a call costs the JS thread.',
      ],
      tables: [{ title: '', columns: ['', 'mean us', '± %'], rows: await runSuite(suite) }],
      facts: {},
    }
  } finally {
    prepared.close()
    region.close()
  }
}
