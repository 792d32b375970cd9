// The parts of the benchmark, in the order they run.
import { runBatching } from './batching.mjs'
import { runCClient } from './c-client.mjs'
import { runCounts } from './counts.mjs'
import { runEnsemble } from './ensemble.mjs'
import { runEventLoop } from './event-loop.mjs'
import { runFunctions } from './functions.mjs'
import { runIdentical } from './identical.mjs'
import { runMetrics } from './metrics.mjs'
import { runMicro } from './micro.mjs'
import { runModels } from './models.mjs'
import { runOpenLoop } from './open-loop.mjs'
import { runQueue } from './queue.mjs'
import { runRegions } from './regions.mjs'
import { runRoundTrip } from './round-trip.mjs'
import { runSequences } from './sequences.mjs'
import { runSharedMemory } from './shared-memory.mjs'
import { runSlo } from './slo.mjs'
import { runStreams } from './streams.mjs'
import { runTable } from './table.mjs'

/** By the names that --only takes. */
export const sections = {
  micro: runMicro,
  table: runTable,
  batching: runBatching,
  open: runOpenLoop,
  slo: runSlo,
  'event-loop': runEventLoop,
  'round-trip': runRoundTrip,
  c: runCClient,
  identical: runIdentical,
  counts: runCounts,
  ensemble: runEnsemble,
  functions: runFunctions,
  sequences: runSequences,
  streams: runStreams,
  'shared-memory': runSharedMemory,
  models: runModels,
  metrics: runMetrics,
  regions: runRegions,
  queue: runQueue,
}
