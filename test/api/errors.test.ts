// Every bad input: one error, of the right type, that names model and tensor, what was expected
// and what was found; and the model still serves.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { transferAway } from './support/transfer.js'
import { createServer, type Model, type Server, SharedMemory, Tensor } from './support/trident.js'

let server: Server
let model: Model
const image = () => digits.imageOf(0)

beforeAll(async () => {
  server = await createServer({
    modelRepository: digits.modelRepository,
    modelControl: 'explicit',
    logLevel: 'silent', // failures are what these tests make
  })
  model = await server.loadModel('digits')
})
afterAll(() => server.close())
afterEach(async () => {
  expect((await model.infer({ image: image() })).logits?.shape).toEqual([1, 10])
})

/** Both lanes must refuse, in the same way. */
async function refused(
  run: { inputs: unknown; options?: object },
  ...parts: string[]
): Promise<void> {
  for (const method of ['infer', 'inferSync'] as const) {
    const call = () => model[method](run.inputs as never, run.options as never)
    const error = await expectFailure(call, 'INVALID_ARG', ...parts)
    expect(error.model).toBe('digits')
  }
}

describe('inputs', () => {
  it('of a wrong name', async () => {
    await refused({ inputs: { picture: image() } }, "'picture'", "'digits'", "'image'")
    const tensor = new Tensor('FP32', image(), [1, 1, 8, 8])
    await refused({ inputs: { picture: tensor } }, "'picture'", "'digits'")
    await refused({ inputs: { 'image\0': tensor } }, "'digits'", "'image'")
    await refused({ inputs: { image: tensor, extra: tensor } }, "'extra'", "'digits'")
  })

  it('missing', async () => {
    await refused({ inputs: {} }, "'image'", "'digits'")
  })

  it('of a wrong datatype', async () => {
    await refused({ inputs: { image: new Float64Array(64) } }, "'image'", 'FP32', 'Float64Array')
    const tensor = new Tensor('FP64', new Float64Array(64), [1, 1, 8, 8])
    await refused({ inputs: { image: tensor } }, "'image'", 'FP64', 'FP32')
  })

  it('of a wrong rank, dimension or size', async () => {
    const shaped = (shape: number[]) => new Tensor('FP32', image(), shape)
    await refused({ inputs: { image: shaped([1, 8, 8]) } }, "'image'", '[-1,1,8,8]', '[1,8,8]')
    await refused({ inputs: { image: shaped([1, 1, 4, 16]) } }, "'image'", '[1,1,4,16]')
    await refused({ inputs: { image: shaped([1, 1, 1, 8, 8]) } }, "'image'", '[1,1,1,8,8]')
    await refused({ inputs: { image: new Float32Array(65) } }, "'image'", '65', '64')
    const batch = new Float32Array(65 * 64)
    await refused({ inputs: { image: batch } }, 'batch', '65', '64')
  })

  it('of a wrong JavaScript type', async () => {
    for (const value of [1, 'image', null, undefined, {}, true, () => {}, new ArrayBuffer(256)]) {
      await expect(model.infer({ image: value as never })).rejects.toThrow(TypeError)
      expect(() => model.inferSync({ image: value as never })).toThrow(TypeError)
    }
    for (const inputs of [null, undefined, 3, 'x', [image()]]) {
      await expect(model.infer(inputs as never)).rejects.toThrow(TypeError)
    }
    await refused({ inputs: { image: [1, 2, 3] } }, "'image'", 'FP32', 'Array')
    const view = new DataView(new ArrayBuffer(256))
    await expect(model.infer({ image: view as never })).rejects.toThrow(TypeError)
  })

  it('in a detached or resizable buffer', async () => {
    const gone = image()
    transferAway(gone)
    await refused({ inputs: { image: gone } }, "'image'", 'detached')
    const tensor = new Tensor('FP32', image(), [1, 1, 8, 8])
    transferAway(tensor.data)
    await refused({ inputs: { image: tensor } }, "'image'", 'detached')

    const Resizable = ArrayBuffer as unknown as {
      new (
        size: number,
        options: { maxByteLength: number },
      ): ArrayBuffer & { resize(n: number): void }
    }
    const buffer = new Resizable(256, { maxByteLength: 512 })
    const array = new Float32Array(buffer)
    await refused({ inputs: { image: array } }, "'image'", 'resizable')
    buffer.resize(128)
    await refused({ inputs: { image: array } }, "'image'", 'resizable')

    const Growable = SharedArrayBuffer as unknown as {
      new (size: number, options: { maxByteLength: number }): SharedArrayBuffer
    }
    const growing = new Float32Array(new Growable(256, { maxByteLength: 512 }))
    await refused({ inputs: { image: growing } }, "'image'", 'resizable')
  })
})

describe('outputs', () => {
  it('of a wrong name or twice', async () => {
    await refused(
      { inputs: { image: image() }, options: { outputs: ['scores'] } },
      "'scores'",
      "'digits'",
      "'logits'",
    )
    await refused(
      { inputs: { image: image() }, options: { outputs: ['logits', 'logits'] } },
      "'logits'",
      'twice',
    )
  })

  it('for memory that does not fit', async () => {
    const to = (logits: unknown) => ({
      inputs: { image: image() },
      options: { outputs: { logits } },
    })
    await refused(to(new Float32Array(9)), "'logits'", "'digits'")
    await refused(to(new Int32Array(10)), "'logits'", 'FP32', 'Int32Array')
    await refused(to(new Tensor('INT32', new Int32Array(10), [1, 10])), "'logits'", 'INT32')
    const gone = new Float32Array(10)
    transferAway(gone)
    await refused(to(gone), "'logits'", 'detached')
    for (const target of [false, 1, 'x', null, {}]) {
      await expect(
        model.infer({ image: image() }, { outputs: { logits: target as never } }),
      ).rejects.toThrow(TypeError)
    }
    await expect(model.infer({ image: image() }, { outputs: 3 as never })).rejects.toThrow(
      TypeError,
    )
  })

  it('for the same memory twice', async () => {
    const pair = await loadIdentity(server, 'pair', { tensors: 2 })
    const inputs = { INPUT0: new Float32Array(4), INPUT1: new Float32Array(4).fill(1) }
    const buffer = new Float32Array(8)
    const shared = new Float32Array(new SharedArrayBuffer(16))
    const targets: [Float32Array, Float32Array][] = [
      [buffer, buffer],
      [buffer.subarray(0, 4), buffer.subarray(3, 7)],
      [shared, shared],
    ]
    for (const [OUTPUT0, OUTPUT1] of targets) {
      const options = { outputs: { OUTPUT0, OUTPUT1 } }
      await expectFailure(() => pair.infer(inputs, options), 'INVALID_ARG', 'OUTPUT1', 'overlap')
      await expectFailure(() => pair.inferSync(inputs, options), 'INVALID_ARG', 'overlap')
      await expectFailure(() => pair.prepare({ inputs, ...options }), 'INVALID_ARG', 'overlap')
    }
    const options = { outputs: { OUTPUT0: buffer.subarray(0, 4), OUTPUT1: buffer.subarray(4) } }
    await pair.infer(inputs, options)
    expect([...buffer]).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
  })

  it('whose array is transferred away while the request runs', async () => {
    const slow = await loadIdentity(server, 'slow', { executeDelayMs: 20 })
    const target = new Float32Array(4)
    const answer = slow.infer({ INPUT0: new Float32Array(4) }, { outputs: { OUTPUT0: target } })
    transferAway(target)
    await expectFailure(() => answer, 'INVALID_ARG', "'OUTPUT0'", "'slow'", 'detached')
  })
})

describe('options', () => {
  it('of a wrong type or range', async () => {
    const bad: [object, typeof TypeError | typeof RangeError][] = [
      [{ timeout: '5' }, TypeError],
      [{ timeout: 0 }, RangeError],
      [{ timeout: -1 }, RangeError],
      [{ timeout: Number.NaN }, RangeError],
      [{ timeout: Number.POSITIVE_INFINITY }, RangeError],
      [{ version: '1' }, TypeError],
      [{ version: 0 }, RangeError],
      [{ version: 1.5 }, RangeError],
      [{ priority: 'high' }, TypeError],
      [{ priority: -1 }, RangeError],
      [{ priority: 2n ** 64n }, RangeError],
      [{ requestId: 5 }, TypeError],
      [{ requestId: 'a\0b' }, RangeError],
      [{ parameters: 5 }, TypeError],
      [{ parameters: { x: {} } }, TypeError],
      [{ parameters: { x: Number.NaN } }, RangeError],
      [{ parameters: { x: 2n ** 63n } }, RangeError],
      [{ sequence: 5 }, TypeError],
      [{ sequence: { id: -1 } }, RangeError],
      [{ signal: {} }, TypeError],
      [{ signal: null }, TypeError],
      [{ signal: { aborted: false, addEventListener() {} } }, TypeError],
    ]
    for (const [options, type] of bad) {
      const call = model.infer({ image: image() }, options as never)
      await expect(call, JSON.stringify(Object.keys(options))).rejects.toThrow(type)
    }
  })

  it('that are none, or misspelled', async () => {
    const bad: [unknown, RegExp][] = [
      [5, /options is an object, got number/],
      [null, /options is an object, got null/],
      [{ timeOut: 5 }, /'timeOut'.*'timeout'/],
      [{ output: ['logits'] }, /'output'.*'outputs'/],
      [{ sequence: { id: 1, begin: true } }, /'begin'/],
    ]
    for (const [options, message] of bad) {
      const call = model.infer({ image: image() }, options as never)
      await expect(call).rejects.toThrow(TypeError)
      await expect(call).rejects.toThrow(message)
      expect(() => model.inferSync({ image: image() }, options as never)).toThrow(message)
    }
  })

  it('whose signal can not be watched cost no slot: the server closes', async () => {
    const other = await createServer({ exitTimeout: 2000 })
    const identity = await loadIdentity(other, 'unwatched')
    const signal = new AbortController().signal
    signal.addEventListener = () => {
      throw new Error('no listeners here')
    }
    const inputs = { INPUT0: new Float32Array(4) }
    await expect(identity.infer(inputs, { signal })).rejects.toThrow('no listeners here')
    await expect(identity.infer(inputs, { signal: {} as never })).rejects.toThrow(TypeError)
    await other.close()
  })

  it('with an unknown version', async () => {
    const call = () => model.infer({ image: image() }, { version: 9 })
    const error = await expectFailure(call, 'NOT_FOUND', "'digits'", '9')
    expect(error.model).toBe('digits')
  })

  it('carry the request id into messages', async () => {
    await expectFailure(() => model.infer({}, { requestId: 'order 66' }), 'INVALID_ARG', 'order 66')
  })
})

describe('the backend', () => {
  it('fails one request and not its neighbours', async () => {
    const shaky = await loadIdentity(server, 'shaky', { maxBatchSize: 8 })
    const data = Float32Array.of(1, 2, 3, 4)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        shaky.infer({ INPUT0: data }, i % 3 === 0 ? { parameters: { fail: `no ${i}` } } : {}),
      ),
    )
    outcomes.forEach((outcome, i) => {
      if (i % 3 !== 0) expect(outcome.status).toBe('fulfilled')
      else expect((outcome as PromiseRejectedResult).reason.message).toContain(`no ${i}`)
    })
  })
})

describe('models', () => {
  it('unknown', async () => {
    await expectFailure(() => server.model('nobody'), 'NOT_FOUND', "'nobody'")
    await expectFailure(() => server.model('digits', 7), 'NOT_FOUND', "'digits'", '7')
    await expectFailure(() => server.modelMetadata('nobody'), 'NOT_FOUND', "'nobody'")
    await expectFailure(() => server.modelConfig('nobody'), 'NOT_FOUND', "'nobody'")
    await expectFailure(() => server.statistics('nobody'), 'INVALID_ARG', "'nobody'")
    await expect(server.loadModel('nobody')).rejects.toThrow(/nobody/)
    expect(() => server.model(5 as never)).toThrow(TypeError)
    await expect(server.loadModel({} as never)).rejects.toThrow(TypeError)
    await expect(server.loadModel({ name: 'x', version: -1 })).rejects.toThrow(RangeError)
  })

  it('with a truncated file', async () => {
    const bytes = readFileSync(digits.modelFile)
    for (const length of [0, 1, 100, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const files = { '1/model.onnx': bytes.subarray(0, length) }
      const call = server.loadModel({ name: 'cut', config: { backend: 'onnxruntime' }, files })
      await expect(call).rejects.toMatchObject({ name: 'TridentError', model: 'cut' })
    }
  })

  it('with a broken config.pbtxt', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trident-test-'))
    try {
      mkdirSync(join(folder, 'broken/1'), { recursive: true })
      writeFileSync(join(folder, 'broken/config.pbtxt'), 'name: "broken"\nmax_batch_sice: 8\n')
      await using other = await createServer({
        modelRepository: folder,
        modelControl: 'explicit',
        logLevel: 'silent',
      })
      const error = await other.loadModel('broken').catch((reason) => reason)
      expect(error).toMatchObject({ name: 'TridentError', model: 'broken' })
      expect(error.message).toMatch(/config\.pbtxt.*2.*max_batch_sice.*max_batch_size/s)
      const [entry] = await other.index()
      expect(entry).toMatchObject({ name: 'broken', state: 'UNAVAILABLE' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('from a path that does not exist', async () => {
    const call = () => server.loadModel({ name: 'lost', path: '/does/not/exist.onnx' })
    await expectFailure(call, 'NOT_FOUND', 'lost', '/does/not/exist.onnx')
    for (const name of ['', '.hidden', '../up', 'a/b']) {
      await expect(server.loadModel({ name, path: digits.modelFile })).rejects.toThrow(/name/)
    }
  })
})

describe('repositories', () => {
  it('that do not exist', async () => {
    await expect(createServer({ modelRepository: '/does/not/exist' })).rejects.toMatchObject({
      name: 'TridentError',
    })
  })

  it('with a model that fails at start', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trident-test-'))
    try {
      mkdirSync(join(folder, 'bad/1'), { recursive: true })
      writeFileSync(join(folder, 'bad/config.pbtxt'), 'backend: "no_such_backend"')
      await expect(createServer({ modelRepository: folder, logLevel: 'silent' })).rejects.toThrow(
        /'bad'.*no_such_backend/,
      )
      await using tolerant = await createServer({
        modelRepository: folder,
        exitOnError: false,
        logLevel: 'silent',
      })
      expect(await tolerant.index()).toMatchObject([{ name: 'bad', state: 'UNAVAILABLE' }])
      expect(await tolerant.live()).toBe(true)
      expect(await tolerant.ready()).toBe(false)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('regions', () => {
  const key = `/trident-errors-${process.pid}`

  it('unregistered, too small, overlapping or closed', async () => {
    using region = SharedMemory.create(key, { byteSize: 1000 })
    const shape = [1, 1, 8, 8]
    const run = (input: unknown, logits?: unknown) => () =>
      model.infer({ image: input as never }, logits ? { outputs: { logits: logits as never } } : {})

    const unknown = server.regionTensor('nowhere', 'FP32', shape)
    await expectFailure(run(unknown), 'NOT_FOUND', 'nowhere')
    await expectFailure(run(region.tensor('FP32', shape, { offset: 800 })), 'INVALID_ARG')
    await expectFailure(run(region.tensor('FP32', shape, { offset: 5000 })), 'INVALID_ARG')
    await expectFailure(
      run(region.tensor('FP32', shape), region.tensor('FP32', [1, 10], { offset: 240 })),
      'INVALID_ARG',
      'overlap',
    )
    const small = region.tensor('FP32', [1, 9], { offset: 512 })
    await expectFailure(run(region.tensor('FP32', shape), small), 'INVALID_ARG', "'logits'", '40')

    server.registerSystemSharedMemory('window', { key, byteSize: 300, offset: 100 })
    const inside = server.regionTensor('window', 'FP32', shape, { offset: 44 })
    await model.infer({ image: inside })
    const outside = server.regionTensor('window', 'FP32', shape, { offset: 45 })
    await expectFailure(run(outside), 'INVALID_ARG', 'window')
    server.unregisterSystemSharedMemory('window')
    await expectFailure(run(inside), 'NOT_FOUND', 'window')

    const tensor = region.tensor('FP32', shape)
    region.close()
    await expectFailure(run(tensor), 'UNAVAILABLE', 'closed')
  })
})
