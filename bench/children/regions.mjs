// In a process of its own: what one request costs beside many registered regions.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { createServer, SharedMemory } from 'trident'
import { seededRandom } from '../load/arrivals.mjs'
import { measureSync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { answerParent, childInput } from '../programs.mjs'
import { repository, workloadOf } from '../workloads.mjs'

const { counts, rounds, seconds, seed } = childInput()
const regionBytes = 256
const { name: modelName, itemShape } = workloadOf('identity')
/** Regions that requests use, whatever the number of those registered. */
const used = 1024

const memory = SharedMemory.create(`/trident-bench-${process.pid}`, {
  byteSize: counts.at(-1) * regionBytes,
})
const mappings = () => readFileSync('/proc/self/maps', 'utf8').split('\n').length

async function open(count) {
  const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
  const model = await server.loadModel(modelName)
  const before = mappings()
  const begin = performance.now()
  for (let i = 0; i < count; i++) {
    const region = { key: memory.key, byteSize: regionBytes, offset: i * regionBytes }
    server.registerSystemSharedMemory(`region_${i}`, region)
  }
  const registerUs = ((performance.now() - begin) * 1000) / count
  const random = seededRandom(seed)
  // Even ones are read and odd ones written: no request may do both to the same region.
  const tensors = Array.from({ length: used }, (_, i) => {
    const index = 2 * Math.floor((random() * count) / 2) + (i % 2)
    return server.regionTensor(`region_${index}`, 'FP32', [1, ...itemShape])
  })
  let next = 0
  const call = () => {
    const input = tensors[next++ % used]
    model.inferSync({ input }, { outputs: { output: tensors[next++ % used] } })
  }
  return { server, count, call, registerUs, mappings: mappings() - before }
}

const servers = []
for (const count of counts) servers.push(await open(count))
const measured = await measureCases(
  servers,
  ({ call }) => measureSync(call, seconds),
  rounds,
  'regions',
)
for (const { server } of servers) await server.close()
memory.close()
answerParent(
  measured.map(({ count, registerUs, mappings: added, p50Us, p99Us, perSecond }) => {
    return { count, registerUs, mappings: added, p50Us, p99Us, perSecond }
  }),
)
