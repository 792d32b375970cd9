// Configurations in TypeScript: every field, in both spellings.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { configFromJson, configToJson } from '../../dist/esm/config.js'
import { type ModelConfig, root } from './support/trident.js'

const schema = readFileSync(join(root, 'native/config/schema_table.cc'), 'utf8')
const fields = [
  ...new Set([...schema.matchAll(/Row<[^>]+>\(\s*"(\w+)"/g)].map(([, name]) => name!)),
]
const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())

it('the types name every field that the core knows', () => {
  expect(fields.length).toBeGreaterThan(100)
  const types = readFileSync(join(root, 'src/model-config.ts'), 'utf8')
  const named = new Set([...types.matchAll(/(\w+)\??: /g)].map(([, name]) => name!))
  expect(fields.filter((name) => !named.has(camel(name)))).toEqual([])
})

/** Says something in every message that has a map or a name with a digit or several words. */
const config: ModelConfig = {
  name: 'all',
  maxBatchSize: 4,
  versionPolicy: { latest: { numVersions: 2 } },
  input: [{ name: 'a_b', dataType: 'TYPE_FP32', dims: [4, '-1'], allowRaggedBatch: true }],
  output: [{ name: 'aB', dataType: 'TYPE_STRING', dims: [1], labelFilename: 'labels.txt' }],
  batchInput: [{ targetName: ['t'], dataType: 'TYPE_INT32', sourceInput: ['a_b'] }],
  instanceGroup: [{ rateLimiter: { resources: [{ name: 'R1', count: 2 }], priority: 3 } }],
  optimization: {
    executionAccelerators: {
      cpuExecutionAccelerator: [{ name: 'openvino', parameters: { some_key: 'a', someKey: 'b' } }],
    },
    cuda: { graphSpec: [{ input: { a_b: { dim: [1] }, aB: { dim: [2] } } }] },
  },
  dynamicBatching: {
    maxQueueDelayMicroseconds: 5n,
    priorityLevels: 2,
    priorityQueuePolicy: { 1: { maxQueueSize: 3, timeoutAction: 'DELAY' } },
  },
  sequenceBatching: {
    controlInput: [{ name: 'c', control: [{ int32FalseTrue: [0, 1], fp32FalseTrue: [0, 1] }] }],
    state: [{ inputName: 'i', outputName: 'o', dataType: 'TYPE_FP32', dims: [1] }],
  },
  ensembleScheduling: {
    step: [{ modelName: 'm', inputMap: { x_y: 'a_b', xY: 'q' }, outputMap: { x_y: 'aB' } }],
  },
  modelWarmup: [
    { name: 'w', inputs: { a_b: { dataType: 'TYPE_FP32', dims: [4], inputDataFile: 'raw' } } },
  ],
  parameters: { one_two: { stringValue: '1' }, oneTwo: { stringValue: '2' } },
  metricTags: { data_center: 'x', dataCenter: 'y' },
  ccModelFilenames: { '7_5': 'model75' },
  modelTransactionPolicy: { decoupled: false },
}

it('crosses to Triton JSON and back, the names of users untouched', () => {
  const json = JSON.parse(configToJson(config))
  expect(json.dynamic_batching).toEqual({
    max_queue_delay_microseconds: '5',
    priority_levels: 2,
    priority_queue_policy: { 1: { max_queue_size: 3, timeout_action: 'DELAY' } },
  })
  expect(json.sequence_batching.control_input[0].control[0]).toEqual({
    int32_false_true: [0, 1],
    fp32_false_true: [0, 1],
  })
  expect(json.ensemble_scheduling.step[0].input_map).toEqual({ x_y: 'a_b', xY: 'q' })
  expect(json.model_warmup[0].inputs.a_b.input_data_file).toBe('raw')
  expect(Object.keys(json.optimization.cuda.graph_spec[0].input)).toEqual(['a_b', 'aB'])
  const keys = new Set<string>()
  JSON.stringify(json, (key, value) => {
    if (/^[a-z][a-z_0-9]*$/.test(key)) keys.add(key)
    return value
  })
  expect([...keys].filter((key) => /_/.test(key)).length).toBeGreaterThan(30)
  const { dynamicBatching, ...rest } = config
  const back = configFromJson(JSON.stringify(json))
  expect(back).toMatchObject(rest)
  expect(back.dynamicBatching).toEqual({ ...dynamicBatching, maxQueueDelayMicroseconds: '5' })
})
