// Memory of a GPU shared by processes: this one serves, another has the memory, or the reverse.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { expectFloats, hostCopies, loadGpuIdentity, untilLeft } from './support/cuda.js'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { CudaMemory, createServer, type Model, type Server } from './support/trident.js'

const fake = useFakeCuda({ devices: 2 })
const floats = [1, 2, 3, 4]

let server: Server
let model: Model

beforeAll(async () => {
  server = await createServer()
  model = await loadGpuIdentity(server, 'identity')
})
afterAll(async () => {
  await server.close()
  await untilLeft(fake, 'opened')
  expect(fake.violations()).toBe(0)
})

/** Exports 256 bytes that begin with `floats`; to each line it gets it answers with what it has. */
const exporter = `
  import { createInterface } from 'node:readline'
  import { CudaMemory } from 'trident'
  const memory = CudaMemory.allocate({ byteSize: 256 })
  await memory.write(0, Float32Array.of(${floats}))
  console.log(memory.ipcHandle.toString('base64'))
  for await (const line of createInterface(process.stdin)) {
    if (line === 'exit') process.exit()
    const found = new Float32Array(64)
    await memory.read(0, found)
    console.log([...found.subarray(0, 8)].join())
  }`

/** Runs `use` with the exporter's handle and what asks the exporter for its first eight elements. */
async function withExporter(
  use: (rawHandle: string, ask: (line: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  let answered: (line: string) => void = () => {}
  let failure: unknown = null
  const { code, stderr } = await runChild(exporter, {
    env: fake.env,
    onLine: (line, child) => {
      if (line.length !== 88) {
        answered(line)
        return
      }
      const ask = (text: string) =>
        new Promise<string>((resolve) => {
          answered = resolve
          child.send(text)
        })
      use(line, ask)
        .catch((error) => {
          failure = error
        })
        .finally(() => child.send('exit'))
    },
  })
  if (failure !== null) throw failure
  expect(stderr).toBe('')
  expect(code).toBe(0)
}

it('is read and written by both', async () => {
  await withExporter(async (rawHandle, ask) => {
    using memory = CudaMemory.open({ rawHandle })
    expect(memory.byteSize).toBe(256)
    await expectFloats(memory, floats)
    await memory.write(16, Float32Array.of(5, 6, 7, 8))
    expect(await ask('read')).toBe('1,2,3,4,5,6,7,8')
    using part = CudaMemory.open({ rawHandle: Buffer.from(rawHandle, 'base64'), offset: 16 })
    expect(part.byteSize).toBe(240)
    await expectFloats(part, [5, 6, 7, 8])
    expect(fake.calls('opened')).toBe(1) // once, however many use it
    memory.close()
    expect(fake.calls('opened')).toBe(1)
  })
  await untilLeft(fake, 'opened')
})

it('goes from region to model to region, without the host', async () => {
  await withExporter(async (rawHandle, ask) => {
    server.registerCudaSharedMemory('in', { rawHandle, deviceId: 0, byteSize: 256 })
    server.registerCudaSharedMemory('out', { rawHandle, deviceId: 0, byteSize: 256 })
    expect(fake.calls('opened')).toBe(1)
    const before = hostCopies(fake)
    const INPUT0 = server.regionTensor('in', 'FP32', [4])
    const OUTPUT0 = server.regionTensor('out', 'FP32', [4], { offset: 16 })
    await model.infer({ INPUT0 }, { outputs: { OUTPUT0 } })
    expect(hostCopies(fake)).toBe(before)
    expect(await ask('read')).toBe('1,2,3,4,1,2,3,4')
    server.unregisterCudaSharedMemory('in')
    expect(fake.calls('opened')).toBe(1)
    server.unregisterCudaSharedMemory('out')
    await untilLeft(fake, 'opened')
  })
})

it('is refused where it is not', async () => {
  await withExporter(async (rawHandle) => {
    const open = (options: object) => () => CudaMemory.open({ rawHandle, ...options })
    await expectFailure(open({ deviceId: 1 }), 'INVALID_ARG')
    await expectFailure(open({ offset: 256 }), 'INVALID_ARG')
    await expectFailure(open({ offset: 1, byteSize: 256 }), 'INVALID_ARG')
    await expectFailure(open({ offset: 8, byteSize: Number.MAX_SAFE_INTEGER }), 'INVALID_ARG')
    await expectFailure(
      () => server.registerCudaSharedMemory('n', { rawHandle, deviceId: 0, byteSize: 257 }),
      'INVALID_ARG',
      "'n'",
    )
    await untilLeft(fake, 'opened')
  })
})

it('goes with its exporter', async () => {
  let stale = ''
  await withExporter(async (rawHandle) => {
    stale = rawHandle
    server.registerCudaSharedMemory('orphan', { rawHandle, deviceId: 0, byteSize: 256 })
  })
  await expectFailure(() => CudaMemory.open({ rawHandle: stale, deviceId: 1 }), 'INVALID_ARG')
  expect(server.cudaSharedMemoryStatus('orphan')).toHaveLength(1)
  server.unregisterCudaSharedMemory('orphan')
  await untilLeft(fake, 'opened')
  await expectFailure(() => CudaMemory.open({ rawHandle: stale }), 'INVALID_ARG')
  await expectFailure(
    () =>
      server.registerCudaSharedMemory('orphan', { rawHandle: stale, deviceId: 0, byteSize: 256 }),
    'INVALID_ARG',
    "'orphan'",
  )
  const { OUTPUT0 } = await model.infer({ INPUT0: Float32Array.from(floats) })
  expect([...(OUTPUT0!.data as Float32Array)]).toEqual(floats)
})

it('is served to a process that has the model, from here', async () => {
  using memory = CudaMemory.allocate({ byteSize: 64 })
  await memory.write(0, Float32Array.from(floats))
  const { code, stderr } = await runChild(
    `
    import { createServer } from 'trident'
    const server = await createServer()
    const model = await server.loadModel({
      name: 'identity',
      config: {
        backend: 'identity',
        input: [{ name: 'INPUT0', dataType: 'TYPE_FP32', dims: [4] }],
        output: [{ name: 'OUTPUT0', dataType: 'TYPE_FP32', dims: [4] }],
        instanceGroup: [{ kind: 'KIND_GPU', gpus: [0] }],
      },
      files: { '1/unused': new Uint8Array(0) },
    })
    const rawHandle = ${JSON.stringify(memory.ipcHandle.toString('base64'))}
    server.registerCudaSharedMemory('theirs', { rawHandle, deviceId: 0, byteSize: 64 })
    const INPUT0 = server.regionTensor('theirs', 'FP32', [4])
    const OUTPUT0 = server.regionTensor('theirs', 'FP32', [4], { offset: 32 })
    await model.infer({ INPUT0 }, { outputs: { OUTPUT0 } })
    await server.close()`,
    { env: fake.env, endsByItself: true },
  )
  expect(stderr).toBe('')
  expect(code).toBe(0)
  await expectFloats(memory, floats, 32)
})
