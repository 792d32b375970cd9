// What models cost while nobody asks them anything: threads and memory.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'trident'
import { repository } from './workloads.mjs'

const directory = join(repository, '..', 'idle')

const config = `backend: "identity"
max_batch_size: 8
input [ { name: "input" data_type: TYPE_FP32 dims: [ 16 ] } ]
output [ { name: "output" data_type: TYPE_FP32 dims: [ 16 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
`

const threads = () => readdirSync('/proc/self/task').length
const megabytes = () => process.memoryUsage.rss() / 2 ** 20

function writeModels(count) {
  return Array.from({ length: count }, (_, i) => {
    const name = `idle_${i}`
    mkdirSync(join(directory, name, '1'), { recursive: true })
    writeFileSync(join(directory, name, 'config.pbtxt'), config)
    return name
  })
}

async function measure(server, names) {
  // These also start the threads that loading takes, however many models there are.
  const [first] = await Promise.all(names.slice(0, 32).map((name) => server.loadModel(name)))
  const before = { threads: threads(), megabytes: megabytes() }
  await Promise.all(names.map((name) => server.loadModel(name)))
  const loaded = { threads: threads(), megabytes: megabytes() }
  await first.infer({ input: new Float32Array(16) })
  return {
    models: names.length,
    threadsBefore: before.threads,
    threadsLoaded: loaded.threads,
    threadsAfterOneRequest: threads(),
    kilobytesPerModel: ((loaded.megabytes - before.megabytes) * 1024) / (names.length - 32),
  }
}

/** Loads `count` models of two instances each and asks one of them once. */
export async function runIdle(count) {
  const names = writeModels(count)
  const server = await createServer({ modelRepository: directory, modelControl: 'explicit' })
  try {
    const result = await measure(server, names)
    console.log(`
${count} idle models of 2 instances each
  threads before, loaded      ${result.threadsBefore}, ${result.threadsLoaded}
  after a request to one      ${result.threadsAfterOneRequest}
  memory of each              ${result.kilobytesPerModel.toFixed(1)} kB`)
    return result
  } finally {
    await server.close()
  }
}
