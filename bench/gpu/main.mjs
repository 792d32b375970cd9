// What GPUs cost an application: the driver by itself, and Trident above it. The model is identity,
// whose execution is one copy on the device and one wait; what a request takes beyond these is what
// Trident adds.
//
// node bench/gpu/main.mjs [--quick] [--json <file>]
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CudaMemory, createServer, cudaReport } from '../../dist/esm/index.js'
import { loadIdentity, serverOptions, withOwner } from '../../test/gpu/support.mjs'
import { describeMachine } from '../machine.mjs'

const args = process.argv.slice(2)
const quick = args.includes('--quick')
const jsonFile = args.includes('--json') ? args[args.indexOf('--json') + 1] : null
const repetitions = quick ? 20 : 2000
const sizes = quick ? [4096, 65536] : [4096, 65536, 1 << 20, 16 << 20, 256 << 20]
const tinyBytes = 4096
const binding =
  process.env.TRIDENT_NATIVE_BINDING ??
  fileURLToPath(new URL('../../build/Release/out/trident.node', import.meta.url))
const batchSize = 8

function driverCosts() {
  const program = join(dirname(binding), 'trident_cuda_costs')
  const options = ['--bytes', sizes.join(), '--repetitions', String(repetitions)]
  const { stdout, stderr, status } = spawnSync(program, options, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`trident_cuda_costs failed: ${stderr}`)
  return JSON.parse(stdout)
}

/** Microseconds of `work`, called so often, one after the other. */
async function times(count, work) {
  await work()
  const taken = []
  for (let i = 0; i < count; i++) {
    const start = process.hrtime.bigint()
    await work()
    taken.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  taken.sort((a, b) => a - b)
  const at = (fraction) => rounded(taken[Math.ceil(fraction * taken.length) - 1])
  return { p50: at(0.5), p99: at(0.99) }
}

function rounded(value) {
  return Math.round(value * 100) / 100
}

/** Fewer of the large ones: they take long, and vary little. */
function countFor(byteSize) {
  return Math.max(10, Math.min(repetitions, Math.floor((repetitions * 65536) / byteSize)))
}

/** Region to model to region: latencies, and the copies between host and device that were made. */
async function regionToRegion(server, model) {
  const rows = []
  for (const byteSize of sizes) {
    const measure = async (rawHandle) => {
      server.registerCudaSharedMemory('region', { rawHandle, deviceId: 0, byteSize: 2 * byteSize })
      const shape = [byteSize / 4]
      const INPUT0 = server.regionTensor('region', 'FP32', shape)
      const OUTPUT0 = server.regionTensor('region', 'FP32', shape, { offset: byteSize })
      const request = [{ INPUT0 }, { outputs: { OUTPUT0 } }]
      const before = (await model.statistics()).copy_stats
      const sync = await times(countFor(byteSize), () => model.inferSync(...request))
      const promise = await times(countFor(byteSize), () => model.infer(...request))
      const { count } = (await model.statistics()).copy_stats
      server.unregisterCudaSharedMemory('region')
      return { byteSize, sync, promise, hostCopies: count - before.count }
    }
    rows.push(await withOwner(new Float32Array(1), measure, { byteSize: 2 * byteSize }))
  }
  return rows
}

/** The same bytes from and to arrays of the host, for comparison. */
async function hostToHost(model) {
  const rows = []
  for (const byteSize of sizes) {
    const INPUT0 = new Float32Array(byteSize / 4)
    rows.push({ byteSize, ...(await times(countFor(byteSize), () => model.infer({ INPUT0 }))) })
  }
  return rows
}

/** What a batch takes, of one request and of several, beyond the driver's part of it. */
async function addedPerBatch(server, driver) {
  const model = await loadIdentity(server, 'batched', 0, {
    maxBatchSize: batchSize,
    dynamicBatching: { maxQueueDelayMicroseconds: 1_000_000 },
  })
  const memory = CudaMemory.allocate({ byteSize: 2 * batchSize * tinyBytes })
  const tensor = (i) => memory.tensor('FP32', [1, tinyBytes / 4], { offset: i * tinyBytes })
  const one = (i) =>
    model.infer({ INPUT0: tensor(2 * i) }, { outputs: { OUTPUT0: tensor(2 * i + 1) } })
  const all = Array.from({ length: batchSize }, (_, i) => i)
  const batch = await times(repetitions, () => Promise.all(all.map(one)))
  memory.close()
  const { copy_and_wait_us: copy, ask_us: ask } = driver.stream
  const least = copy.p50 + (batchSize - 1) * ask.p50
  return {
    requests: batchSize,
    ...batch,
    driver: rounded(least),
    added: rounded(batch.p50 - least),
  }
}

/** Small copies, and the memory of another process opened and closed, from JavaScript. */
async function memoryCosts() {
  const memory = CudaMemory.allocate({ byteSize: tinyBytes })
  const array = new Uint8Array(tinyBytes)
  const write = await times(repetitions, () => memory.write(0, array))
  const read = await times(repetitions, () => memory.read(0, array))
  memory.close()
  const open = await withOwner(new Float32Array(1), (rawHandle) =>
    times(Math.ceil(repetitions / 20), () => CudaMemory.open({ rawHandle }).close()),
  )
  return { write, read, 'open and close': open }
}

function print(title, rows) {
  console.log(`\n${title}`)
  console.table(rows)
}

const driver = driverCosts()
const server = await createServer(serverOptions)
const model = await loadIdentity(server, 'identity')
const regions = await regionToRegion(server, model)
const results = {
  machine: describeMachine(),
  cuda: cudaReport(),
  driver,
  regions,
  hosts: await hostToHost(model),
  batch: await addedPerBatch(server, driver),
  memory: await memoryCosts(),
}
await server.close()

const [tiny] = regions
const added = rounded(tiny.sync.p50 - driver.stream.copy_and_wait_us.p50)
print('driver alone: stream, microseconds', driver.stream)
print('driver alone: handles of another process, microseconds', [driver.handle])
print('driver alone: copies', driver.copies)
print(
  'region to model to region, microseconds',
  regions.map(({ byteSize, sync, promise, hostCopies }) => ({
    byteSize,
    'inferSync p50': sync.p50,
    'inferSync p99': sync.p99,
    'infer p50': promise.p50,
    'infer p99': promise.p99,
    hostCopies,
  })),
)
print('host to model to host, microseconds', results.hosts)
print('a batch, microseconds', [
  { requests: 1, ...tiny.sync, driver: driver.stream.copy_and_wait_us.p50, added },
  results.batch,
])
print(`CudaMemory, ${tinyBytes} bytes, microseconds`, results.memory)
if (jsonFile !== null) writeFileSync(jsonFile, `${JSON.stringify(results, null, 1)}\n`)
if (regions.some(({ hostCopies }) => hostCopies > 0)) {
  console.error('device memory was copied through the host')
  process.exitCode = 1
}
