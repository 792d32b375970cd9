// From C: what the server adds to ONNX Runtime's own Run, without JavaScript.
import { join } from 'node:path'
import { findOnnxRuntime } from '../../dist/esm/onnxruntime.js'
import { out } from '../paths.mjs'
import { runProgram } from '../programs.mjs'
import { tableOf } from '../report/format.mjs'
import { repository } from '../workloads.mjs'

const lanes = ['inline', 'offloaded']
const models = ['identity', 'onnx-identity-1', 'digits', 'mlp64']

async function measure(model, lane, { rounds, seconds }) {
  const result = await runProgram('trident_client', {
    repository,
    model,
    lane,
    backends: join(out, 'backends'),
    library: findOnnxRuntime(),
    outstanding: '1,64',
    seconds,
    rounds,
  })
  const leastInline = Math.min(...result.rows.map((row) => row.inline_share))
  if (lane === 'inline' && leastInline < 0.99) {
    throw new Error(`${model}: only ${leastInline} of the requests were executed inline`)
  }
  return result.rows.map((row) => ({
    model,
    lane,
    outstanding: row.outstanding,
    p50Us: row.p50_us,
    p99Us: row.p99_us,
    perSecond: row.requests_per_second,
    inlinePercent: row.inline_share * 100,
    // Measured beside the first row only.
    addedUs: row.outstanding === 1 ? result.added_p50_us : undefined,
    handOffUs: result.hand_off_p50_us,
  }))
}

export async function runCClient({ plan }) {
  const rows = []
  for (const model of models) {
    for (const lane of lanes) rows.push(...(await measure(model, lane, plan)))
  }
  const facts = rows
    .filter(({ outstanding }) => outstanding === 1)
    .flatMap(({ model, lane, addedUs, p50Us, handOffUs }) => [
      [`c/${model}/${lane}/addedUs`, addedUs],
      [`c/${model}/${lane}/p50Us`, p50Us],
      [`c/${model}/${lane}/handOffUs`, handOffUs],
    ])
  return {
    title: 'From C',
    notes: [
      'A client of the C ABI in one process with the server. Added: over ONNX Runtime called ' +
        'directly in the same process. Hand-off: from one thread to another and back.',
    ],
    tables: [
      tableOf('', rows, {
        '': 'model',
        lane: 'lane',
        outstanding: 'outstanding',
        '% inline': 'inlinePercent',
        'p50 us': 'p50Us',
        'p99 us': 'p99Us',
        'added us': 'addedUs',
        'hand-off us': 'handOffUs',
        'items/s': 'perSecond',
      }),
    ],
    facts: Object.fromEntries(facts),
  }
}
