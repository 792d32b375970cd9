// W10, in a process of its own: what one request costs beside many registered regions.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { createServer, SharedMemory } from 'trident'
import { seededRandom } from '../load/arrivals.mjs'
import { measureSync } from '../load/closed-loop.mjs'
import { inRounds } from '../load/rounds.mjs'
import { answerParent, childInput } from '../programs.mjs'

const { repository, model: modelName, counts, rounds, seconds, seed } = childInput()
const regionBytes = 256
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
  const tensors = Array.from({ length: used }, () =>
    server.regionTensor(`region_${Math.floor(random() * count)}`, 'FP32', [1, 1]),
  )
  let next = 0
  const call = () => {
    const input = tensors[next++ % used]
    model.inferSync({ input }, { outputs: { output: tensors[next++ % used] } })
  }
  return { server, count, call, registerUs, mappings: mappings() - before }
}

const servers = []
for (const count of counts) servers.push(await open(count))
const summaries = await inRounds(
  servers.map(
    ({ call }) =>
      async () =>
        measureSync(call, seconds),
  ),
  rounds,
  'regions',
)
for (const { server } of servers) await server.close()
memory.close()
answerParent(
  servers.map(({ count, registerUs, mappings: added }, i) => {
    const { histogram: _, ...summary } = summaries[i]
    return { count, registerUs, mappings: added, ...summary }
  }),
)
