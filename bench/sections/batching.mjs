// How much of an ideal static batch 64 callers of `infer` reach together.
import { measureAsync } from '../load/closed-loop.mjs'
import { inRounds } from '../load/rounds.mjs'
import { measureRaw } from '../peers/raw.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { tableOf } from '../report/format.mjs'
import { workloadOf, writeVariant } from '../workloads.mjs'

/** Of short full batches, where hand-overs cost most, and of long ones; and a core per instance. */
const variants = [
  { key: 'short', of: 'digits', maxBatchSize: 8 },
  { key: 'middle', of: 'mlp512', maxBatchSize: 16 },
  { key: 'long', of: 'mlp2048', maxBatchSize: 8 },
  { key: 'two', of: 'digits', maxBatchSize: 16, instances: 2 },
].map((variant) => ({ instances: 1, ...variant, name: `batching_${variant.key}` }))

const outstanding = 64

async function measureVariant(server, variant, { rounds, seconds }) {
  const { of, name, maxBatchSize } = variant
  const workload = workloadOf(of)
  writeVariant(workload, variant)
  const model = await server.loadModel(name)
  const inputs = inputsOf(workload)
  const before = await model.statistics()
  const [raw, ours] = await inRounds(
    [
      () => measureRaw(workload, maxBatchSize, seconds),
      () => measureAsync(() => model.infer(inputs), outstanding, seconds),
    ],
    rounds,
    name,
  )
  const after = await model.statistics()
  const batches = after.execution_count - before.execution_count
  return {
    raw,
    ours,
    share: ours.perSecond / raw.perSecond,
    meanBatch: (after.inference_count - before.inference_count) / batches,
  }
}

export async function runBatching({ server, plan }) {
  const rows = []
  const facts = {}
  for (const variant of variants) {
    const row = { ...variant, ...(await measureVariant(server, variant, plan)) }
    rows.push(row)
    facts[`batching/${variant.key}/share`] = row.share
    facts[`batching/${variant.key}/perSecond`] = row.ours.perSecond
    facts[`batching/${variant.key}/fullBatchUs`] = row.raw.p50Us
  }
  return {
    title: 'Dynamic batching beside the ideal static batch',
    notes: [
      `${outstanding} calls of infer outstanding; the ideal is the C API, on one thread, with full batches in the ` +
        'same run.',
    ],
    tables: [
      tableOf('', rows, {
        '': 'of',
        instances: 'instances',
        'max batch': 'maxBatchSize',
        'full batch us': ({ raw }) => raw.p50Us,
        'ideal items/s': ({ raw }) => raw.perSecond,
        'infer items/s': ({ ours }) => ours.perSecond,
        '% of ideal': ({ share }) => share * 100,
        'mean batch': 'meanBatch',
      }),
    ],
    facts,
  }
}
