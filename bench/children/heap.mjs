// Bytes that a call allocates in JavaScript's heap and in array buffers. Needs --expose-gc and a
// young generation so large that nothing is collected while we count.
import { PerformanceObserver } from 'node:perf_hooks'
import { createServer } from 'trident'
import { onnxRuntimeNodePeer } from '../peers/onnxruntime-node.mjs'
import { tridentPeers } from '../peers/trident.mjs'
import { answerParent, childInput } from '../programs.mjs'
import { workloadOf } from '../workloads.mjs'

const { repository, model, calls, rounds } = childInput()
let collections = 0
new PerformanceObserver((list) => {
  collections += list.getEntries().length
}).observe({ entryTypes: ['gc'] })
/** Long enough for the news of a collection to come in. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

function repeatSync(call, count) {
  for (let i = 0; i < count; i++) call()
}

async function repeat(call, count) {
  for (let i = 0; i < count; i++) await call()
}

/** Null when something was collected meanwhile. */
async function allocatedBy(step) {
  globalThis.gc()
  await pause()
  const seen = collections
  const before = process.memoryUsage().heapUsed
  await step()
  const after = process.memoryUsage().heapUsed
  await pause()
  return collections === seen ? after - before : null
}

/** The least of some rounds: what happened beside the calls only adds. */
async function bytesPerCall({ call, runSync }) {
  const step = (count) => (runSync ? repeatSync(runSync, count) : repeat(call, count))
  await step(calls)
  // Memory outside of the heap makes collections come earlier: fewer calls then.
  for (const count of [calls, calls / 10, calls / 100]) {
    const all = []
    for (let round = 0; round < rounds; round++) all.push(await allocatedBy(() => step(count)))
    const usable = all.filter((bytes) => bytes !== null)
    if (usable.length > 0) return Math.min(...usable) / count
  }
  return null
}

const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
const workload = workloadOf(model)
const peers = [...(await tridentPeers(server, workload)), await onnxRuntimeNodePeer(workload)]
const rows = [
  { name: 'an empty async function', bytes: await bytesPerCall({ call: async () => {} }) },
]
for (const peer of peers) {
  rows.push({ name: peer.name, bytes: await bytesPerCall(peer) })
  await peer.close()
}
await server.close()
answerParent(rows)
