// W0 and W2 from C: what the server adds to ONNX Runtime's own Run, without JavaScript.
import { join } from 'node:path'
import { findOnnxRuntime } from '../../dist/esm/onnxruntime.js'
import { out } from '../paths.mjs'
import { hasProgram, runProgram } from '../programs.mjs'
import { repository } from '../workloads.mjs'

const lanes = ['inline', 'offloaded']
const models = ['identity-1', 'digits', 'mlp64']

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
  return result.rows.map((row) => ({
    model,
    lane,
    outstanding: row.outstanding,
    p50Us: row.p50_us,
    p99Us: row.p99_us,
    perSecond: row.requests_per_second,
    // The first row's figures; the identity models have no raw time beside theirs.
    addedUs: row.outstanding === 1 ? result.added_p50_us : undefined,
    handOffUs: result.hand_off_p50_us,
  }))
}

export async function runCClient({ plan }) {
  const title = 'From C'
  if (!hasProgram('trident_client')) {
    return { title, notes: ['left out: trident_client is not built'] }
  }
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
    title,
    notes: [
      'A client of the C ABI in one process with the server. Added: over ONNX Runtime called ' +
        'directly in the same process. Hand-off: from one thread to another and back.',
    ],
    tables: [
      {
        title: '',
        columns: [
          '',
          'lane',
          'outstanding',
          'p50 us',
          'p99 us',
          'added us',
          'hand-off us',
          'items/s',
        ],
        rows: rows.map((row) => [
          row.model,
          row.lane,
          row.outstanding,
          row.p50Us,
          row.p99Us,
          row.addedUs,
          row.handOffUs,
          row.perSecond,
        ]),
      },
    ],
    facts: Object.fromEntries(facts),
  }
}
