// Functions in environments of their own, and the ends of these.
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCodes } from '../../dist/esm/errors.js'
import { runChild } from './support/child.js'
import { expectFailure } from './support/expect.js'
import { echoed, floats, loadFunction, RawHost } from './support/raw-functions.js'
import { createServer, root, type Server } from './support/trident.js'

const host = new RawHost()
const { native } = host
let server: Server

beforeAll(async () => {
  server = await createServer()
})
afterAll(() => server.close())

/** What environments have in common: a host that answers what `run` makes of the requests. */
const program = (run: string) => `
  const { parentPort } = require('node:worker_threads')
  const bridge = require('${root}/dist/cjs/bridge.js').getBridge()
  const { native } = bridge
  const echo = ([, datatype, shape, bytes]) => ['OUTPUT0', datatype, shape, bytes]
  const finish = (execution, requests) => native.finishExecution(execution, requests.map(echo))
  bridge.functionHost = {
    initializeInstance() {},
    finalizeInstance: (instance) => native.instanceFinalized(instance),
    execute(instance, execution, requests) { ${run} },
    cancelled() {}, drained() {}, instanceLost() {},
  }
  parentPort.on('message', (message) => {
    if (message.ready) native.instanceReady(message.ready)
    if (message.attach) parentPort.postMessage(native.attachServer(message.attach))
    parentPort.postMessage('done')
  })
`

const said = (worker: Worker) =>
  new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })

/** A worker that has made the instance ready. */
async function home(instance: number, run = 'finish(execution, requests)'): Promise<Worker> {
  const worker = new Worker(program(run), { eval: true })
  const done = said(worker)
  worker.postMessage({ ready: instance })
  await done
  return worker
}

/** Loads a model whose instance gets its home from `settle`. */
async function load(name: string, settle: (instance: number) => Promise<unknown>) {
  const loading = loadFunction(server, name)
  const instance = (await host.until('initialize'))[1] as number
  await settle(instance)
  return { model: await loading, instance }
}

describe('an instance in a worker', () => {
  it('runs there, and its requests come back', async () => {
    let worker: Worker | undefined
    const { model } = await load('far', async (instance) => {
      worker = await home(instance)
    })
    expect(await echoed(model, 1, 2)).toEqual([1, 2])
    expect([...(model.inferSync(floats([3])).OUTPUT0!.data as Float32Array)]).toEqual([3])
    await server.unloadModel('far')
    await worker!.terminate()
  })

  it('is lost with it, and served again by another', async () => {
    let worker: Worker | undefined
    const { model, instance } = await load('restarted', async (number) => {
      worker = await home(number)
    })
    await worker!.terminate()
    expect((await host.until('lost'))[1]).toBe(instance)
    const held = echoed(model, 1)
    worker = await home(instance)
    expect(await held).toEqual([1])
    expect(await echoed(model, 2)).toEqual([2])
    await server.unloadModel('restarted')
    await worker.terminate()
  })

  it('that does not come back is refused what it was given and is given, until it does', async () => {
    let worker: Worker | undefined
    const { model, instance } = await load('refused', async (number) => {
      worker = await home(number)
    })
    await worker!.terminate()
    await host.until('lost')
    const held = expectFailure(() => echoed(model, 1), 'UNAVAILABLE', 'not now')
    native.instanceFailed(instance, errorCodes.indexOf('UNAVAILABLE'), 'not now')
    await held
    await expectFailure(() => echoed(model, 2), 'UNAVAILABLE', 'not now')
    worker = await home(instance)
    expect(native.takeSuccess(instance)).toBe(false)
    expect(await echoed(model, 3)).toEqual([3])
    await worker.terminate()
    await host.until('lost')
    expect(native.takeSuccess(instance)).toBe(true)
    expect(native.takeSuccess(instance)).toBe(false)
    await server.unloadModel('refused')
  })

  for (const size of [1, 20_000]) {
    it(`gives up requests of ${size} elements when it ends in the middle of a call`, async () => {
      let worker: Worker | undefined
      const name = `endless${size}`
      const { model } = await load(name, async (instance) => {
        worker = await home(instance, "parentPort.postMessage('begun'); while (true);")
      })
      const begun = said(worker!)
      const request = echoed(model, ...Array<number>(size).fill(1))
      const failure = expectFailure(
        () => request,
        'UNAVAILABLE',
        name,
        'has ended: it was terminated',
      )
      await begun
      await worker!.terminate()
      await failure
      await server.unloadModel(name)
    })
  }

  it('calls models of the server by a number of its own, until the server is closed', async () => {
    const own = await createServer()
    host.functions.set('near', (execution, requests) =>
      native.finishExecution(
        execution,
        requests.map(() => []),
      ),
    )
    await loadFunction(own, 'near')
    const instance = [...host.instances.keys()].at(-1)!
    const worker = await home(0)
    const attached = said(worker)
    worker.postMessage({ attach: instance })
    expect(await attached).toBeTypeOf('number')
    await own.close()
    const failed = new Promise((resolve) => worker.once('error', resolve))
    worker.postMessage({ attach: instance })
    expect(((await failed) as Error).message).toContain('closed')
  })
})

it('a server whose environment ends while an instance starts ends with it', async () => {
  const { code, stdout, stderr } = await runChild(`
    import { Worker } from 'node:worker_threads'
    const worker = new Worker(\`
      import { createServer } from 'trident'
      import { getBridge } from '${root}/dist/esm/bridge.js'
      import { parentPort } from 'node:worker_threads'
      createServer().then((server) => {
        getBridge().functionHost = { initializeInstance() { parentPort.postMessage('wanted') } }
        return server.loadModel({
          name: 'never',
          config: { backend: 'javascript', instanceGroup: [{ kind: 'KIND_CPU', count: 1 }],
            input: [{ name: 'INPUT0', dataType: 'TYPE_FP32', dims: [1] }],
            output: [{ name: 'OUTPUT0', dataType: 'TYPE_FP32', dims: [1] }] },
          files: { '1/unused': new Uint8Array(0) },
        })
      })
    \`, { eval: true })
    await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
    console.log('ended')
  `)
  expect(stderr).toContain('the environment of the server has ended')
  expect(stdout).toBe('ended\n')
  expect(code).toBe(0)
})

it('what a function carries off stays memory, and later requests are given copies', async () => {
  const { code, stdout, stderr } = await runChild(
    `
    import { createServer, Tensor } from 'trident'
    import { getBridge } from '${root}/dist/esm/bridge.js'
    const bridge = getBridge()
    const { native } = bridge
    let stolen = null
    let wants = true
    const server = await createServer()
    bridge.functionHost = {
      initializeInstance: (server, instance) => native.instanceReady(instance),
      finalizeInstance: (instance) => native.instanceFinalized(instance),
      execute(instance, execution, [[, datatype, shape, bytes]]) {
        const output = new Uint8Array(bytes).slice()
        if (wants) stolen = bytes.transfer()
        native.finishExecution(execution, [['OUTPUT0', datatype, shape, output]])
      },
      cancelled() {}, drained() {}, instanceLost() {},
    }
    const tensor = (name) => [{ name, dataType: 'TYPE_FP32', dims: [-1] }]
    const model = await server.loadModel({
      name: 'thief',
      config: { backend: 'javascript', instanceGroup: [{ kind: 'KIND_CPU', count: 1 }],
        input: tensor('INPUT0'), output: tensor('OUTPUT0') },
      files: { '1/unused': new Uint8Array(0) },
    })
    const data = new Float32Array(20000).fill(3)
    const request = model.infer({ INPUT0: data }).catch((error) => error)
    while (stolen === null) await new Promise(setImmediate)
    console.log(new Float32Array(stolen).every((value) => value === 3))
    stolen = null
    wants = false
    let failure
    request.then((error) => { failure = error })
    while (failure === undefined) { gc(); await new Promise(setImmediate) }
    console.log(failure.code, failure.message.includes('transferred'))
    wants = true
    const { OUTPUT0 } = await model.infer({ INPUT0: data })
    console.log(OUTPUT0.data.length, stolen.byteLength)
    await server.close()
  `,
    { nodeArgs: ['--expose-gc', '--harmony-rab-gsab-transfer'] },
  )
  expect(stderr).toBe('')
  expect(stdout.split('\n')).toEqual(['true', 'INVALID_ARG true', '20000 80000', ''])
  expect(code).toBe(0)
})

it('a host that throws fails that execution only, and the process hears of it', async () => {
  const { code, stdout, stderr } = await runChild(`
    import { createServer } from 'trident'
    import { getBridge } from '${root}/dist/esm/bridge.js'
    const bridge = getBridge()
    const { native } = bridge
    let throws = true
    const server = await createServer()
    bridge.functionHost = {
      initializeInstance: (server, instance) => native.instanceReady(instance),
      finalizeInstance: (instance) => native.instanceFinalized(instance),
      execute(instance, execution, [[, datatype, shape, bytes]]) {
        if (throws) throw new Error('of the host')
        native.finishExecution(execution, [['OUTPUT0', datatype, shape, bytes]])
      },
    }
    process.on('uncaughtException', ({ message }) => console.log(message))
    const tensor = (name) => [{ name, dataType: 'TYPE_FP32', dims: [-1] }]
    const model = await server.loadModel({
      name: 'rude',
      config: { backend: 'javascript', instanceGroup: [{ kind: 'KIND_CPU', count: 1 }],
        input: tensor('INPUT0'), output: tensor('OUTPUT0') },
      files: { '1/unused': new Uint8Array(0) },
    })
    for (const size of [1, 20000]) {
      throws = true
      const data = new Float32Array(size).fill(3)
      const failures = [1, 2].map(() => model.infer({ INPUT0: data }).catch((error) => error.code))
      console.log(...await Promise.all(failures))
      throws = false
      console.log((await model.infer({ INPUT0: data })).OUTPUT0.data[size - 1])
    }
    await server.close()
  `)
  expect(stderr).toBe('')
  const once = ['of the host', 'of the host', 'INTERNAL INTERNAL', '3']
  expect(stdout.split('\n')).toEqual([...once, ...once, ''])
  expect(code).toBe(0)
})
