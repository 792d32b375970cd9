// ONNX Runtime's C API in a loop in a process of its own: the floor. Outstanding requests go in as
// static batches, the best that any batching could do.
import { findOnnxRuntime } from '../../dist/esm/onnxruntime.js'
import { runProgram } from '../programs.mjs'

async function runRaw(workload, batch, seconds) {
  const [row] = await runProgram('trident_ort_raw', {
    library: findOnnxRuntime(),
    model: workload.onnx,
    batches: batch,
    seconds,
  })
  return {
    calls: row.runs,
    p50Us: row.p50_us,
    p90Us: row.p90_us,
    p99Us: row.p99_us,
    perSecond: row.items_per_second,
    firstValues: row.first_values ?? [],
  }
}

/** @returns p50Us, perSecond and so on of batches of `batch` items */
export async function measureRaw(workload, batch, seconds) {
  const { firstValues: _, ...row } = await runRaw(workload, batch, seconds)
  return row
}

export function rawPeer(workload) {
  const limit = workload.maxBatchSize
  return {
    name: 'raw C API, static batch',
    answer: async () => (await runRaw(workload, 1, 0.001)).firstValues,
    measure: (outstanding, seconds) => measureRaw(workload, Math.min(outstanding, limit), seconds),
    close: () => {},
  }
}
