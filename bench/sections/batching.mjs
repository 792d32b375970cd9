// How much of an ideal static batch 64 callers of `infer` reach together.
import { measureAsync } from '../load/closed-loop.mjs'
import { inRounds } from '../load/rounds.mjs'
import { measureRaw } from '../peers/raw.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { workloadOf, writeVariant } from '../workloads.mjs'

/** Of short full batches, where hand-overs cost most, and of long ones. */
const variants = [
  { key: 'short', of: 'digits', maxBatchSize: 8 },
  { key: 'middle', of: 'mlp512', maxBatchSize: 16 },
  { key: 'long', of: 'mlp2048', maxBatchSize: 8 },
].map((variant) => ({ ...variant, name: `batching_${variant.of}` }))

const outstanding = 64

async function measureVariant(server, { of, name, maxBatchSize }, { rounds, seconds }) {
  const workload = workloadOf(of)
  writeVariant(workload, { name, maxBatchSize })
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
    const { raw, ours, share, meanBatch } = await measureVariant(server, variant, plan)
    const sizes = [variant.of, variant.maxBatchSize, raw.p50Us]
    rows.push([...sizes, raw.perSecond, ours.perSecond, share * 100, meanBatch])
    facts[`batching/${variant.key}/share`] = share
    facts[`batching/${variant.key}/fullBatchUs`] = raw.p50Us
  }
  return {
    title: 'Dynamic batching beside the ideal static batch',
    notes: [
      `${outstanding} calls of infer outstanding; the ideal is the C API with full batches in the ` +
        'same run.',
    ],
    tables: [
      {
        title: '',
        columns: [
          '',
          'max batch',
          'full batch us',
          'ideal items/s',
          'infer items/s',
          '% of ideal',
          'mean batch',
        ],
        rows,
      },
    ],
    facts,
  }
}
