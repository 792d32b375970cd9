// A decoupled model that answers one request with a hundred responses.
import { performance } from 'node:perf_hooks'
import { createServer } from 'trident'
import { measureCases } from '../load/rounds.mjs'
import { Samples } from '../load/samples.mjs'
import { testBackends } from '../paths.mjs'
import { tableOf } from '../report/format.mjs'

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

/** All responses, `each` of them per stream, one stream after another. */
async function readAll(model, each) {
  const begin = performance.now()
  let first = 0
  let count = 0
  const inputs = { input: Float32Array.of(1), count: Int32Array.of(each) }
  for (let i = 0; i < responses / each; i++) {
    for await (const _ of model.stream(inputs)) {
      if (count++ === 0) first = performance.now() - begin
    }
  }
  if (count !== responses) throw new Error(`streams gave ${count} responses, not ${responses}`)
  return { first, whole: performance.now() - begin }
}

async function measureReads(model, each, times) {
  const firsts = new Samples()
  const wholes = new Samples()
  const begin = performance.now()
  for (let i = 0; i < times; i++) {
    const { first, whole } = await readAll(model, each)
    firsts.add(first)
    wholes.add(whole)
  }
  const elapsedMs = performance.now() - begin
  const { p50Us: wholeUs, perSecond } = wholes.summarise(elapsedMs)
  return {
    firstUs: firsts.summarise(elapsedMs).p50Us,
    wholeUs,
    perSecond: perSecond * responses,
  }
}

export async function runStreams({ plan }) {
  const streaming = await createServer({ backendDirectory: testBackends })
  try {
    const files = { '1/unused': new Uint8Array(0) }
    const model = await streaming.loadModel({ name: 'repeat', config, files })
    const cases = [
      { name: 'one stream of 100', each: responses },
      { name: '100 streams of one, in turn', each: 1 },
    ]
    const measure = ({ each }) => measureReads(model, each, plan.streams)
    const rows = await measureCases(cases, measure, plan.rounds, 'streams')
    return {
      title: 'One request, a hundred responses',
      notes: ['The test backend "repeat" starts a thread per request.'],
      tables: [
        tableOf('', rows, {
          '': 'name',
          'first us': 'firstUs',
          'all 100 us': 'wholeUs',
          'responses/s': 'perSecond',
        }),
      ],
      facts: {},
    }
  } finally {
    await streaming.close()
  }
}
