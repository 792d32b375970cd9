// W6: a decoupled model that answers one request with a hundred responses.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createServer } from 'trident'
import { inRounds } from '../load/rounds.mjs'
import { percentile } from '../load/samples.mjs'
import { testBackends } from '../paths.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { workloadOf } from '../workloads.mjs'

const responses = 100

const config = {
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

async function readStream(model) {
  const begin = performance.now()
  let first = 0
  let count = 0
  const inputs = { input: Float32Array.of(1), count: Int32Array.of(responses) }
  for await (const _ of model.stream(inputs)) {
    if (count++ === 0) first = performance.now() - begin
  }
  if (count !== responses) throw new Error(`a stream gave ${count} responses, not ${responses}`)
  return { first, whole: performance.now() - begin }
}

/** `read` in a row, `times` times. */
async function measureReads(read, times) {
  const begin = performance.now()
  const all = []
  for (let i = 0; i < times; i++) all.push(await read())
  const elapsed = performance.now() - begin
  const p50 = (key) =>
    percentile(
      all.map((one) => one[key]).sort((a, b) => a - b),
      0.5,
    ) * 1000
  return {
    firstUs: p50('first'),
    wholeUs: p50('whole'),
    perSecond: ((times * responses) / elapsed) * 1000,
  }
}

export async function runStreams({ server, plan }) {
  if (!existsSync(join(testBackends, 'repeat'))) {
    return { title: 'W6: streams', notes: ['left out: the test backends are not built'] }
  }
  const streaming = await createServer({ backendDirectory: testBackends })
  try {
    const files = { '1/unused': new Uint8Array(0) }
    const model = await streaming.loadModel({ name: 'repeat', config, files })
    const workload = workloadOf('identity-1')
    const identity = await server.loadModel(workload.name)
    const inputs = inputsOf(workload)
    const separately = async () => {
      const begin = performance.now()
      await identity.infer(inputs)
      const first = performance.now() - begin
      for (let i = 1; i < responses; i++) await identity.infer(inputs)
      return { first, whole: performance.now() - begin }
    }
    const [stream, apart] = await inRounds(
      [
        () => measureReads(() => readStream(model), plan.streams),
        () => measureReads(separately, plan.streams),
      ],
      plan.rounds,
      'streams',
    )
    const rowOf = (name, row) => [name, row.firstUs, row.wholeUs, row.perSecond]
    return {
      title: 'W6: one request, a hundred responses',
      notes: ['The test backend "repeat" starts a thread per request.'],
      tables: [
        {
          title: '',
          columns: ['', 'first us', 'all 100 us', 'responses/s'],
          rows: [rowOf('stream of 100', stream), rowOf('100 requests in turn', apart)],
        },
      ],
      facts: {},
    }
  } finally {
    await streaming.close()
  }
}
