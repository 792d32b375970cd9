import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, truncateSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getBridge } from '../../dist/esm/bridge.js'
import { runChild } from './support/child.js'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { transferAway } from './support/transfer.js'
import { createServer, type Model, type Server, SharedMemory, Tensor } from './support/trident.js'

let server: Server
let model: Model
let counter = 0
const newKey = () => `/trident-test-${process.pid}-${counter++}`
const imageShape = [1, 1, 8, 8]

beforeAll(async () => {
  server = await createServer({ modelRepository: digits.modelRepository, modelControl: 'explicit' })
  model = await server.loadModel('digits')
})
afterAll(async () => {
  await server.close()
  const left = readdirSync('/dev/shm').filter((name) =>
    name.startsWith(`trident-test-${process.pid}-`),
  )
  expect(left).toEqual([])
})

describe('a region', () => {
  it('is created, opened, read and written', () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 1000 })
    expect(region).toMatchObject({ key, byteSize: 1000 })
    region.write(3, Uint8Array.of(1, 2, 3))
    region.write(100, Float64Array.of(1.5))
    region.write(200, new DataView(Uint8Array.of(9, 9).buffer))
    using other = SharedMemory.open(key)
    expect(other.byteSize).toBe(1000)
    const bytes = new Uint8Array(5)
    other.read(2, bytes)
    expect([...bytes]).toEqual([0, 1, 2, 3, 0])
    const double = new Float64Array(1)
    other.read(100, double)
    expect(double[0]).toBe(1.5)
    using part = SharedMemory.open(key, { offset: 3, byteSize: 2 })
    expect(part.byteSize).toBe(2)
    const two = new Uint8Array(2)
    part.read(0, two)
    expect([...two]).toEqual([1, 2])
  })

  it('belongs to this user alone', () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 64 })
    expect(
      execFileSync('stat', ['-c', '%a', `/dev/shm${region.key}`])
        .toString()
        .trim(),
    ).toBe('600')
  })

  it('loses its name when its creator closes it', () => {
    const key = newKey()
    const region = SharedMemory.create(key, { byteSize: 64 })
    const other = SharedMemory.open(key)
    other.close()
    other.close()
    expect(existsSync(`/dev/shm${key}`)).toBe(true)
    region.close()
    region.close()
    expect(existsSync(`/dev/shm${key}`)).toBe(false)
  })

  it('refuses what it can not do', async () => {
    const key = newKey()
    await expectFailure(() => SharedMemory.open(key), 'NOT_FOUND', key)
    using region = SharedMemory.create(key, { byteSize: 100 })
    await expectFailure(() => SharedMemory.create(key, { byteSize: 100 }), 'ALREADY_EXISTS', key)
    await expectFailure(() => SharedMemory.open(key, { byteSize: 101 }), 'INVALID_ARG', key)
    await expectFailure(() => SharedMemory.open(key, { offset: 101 }), 'INVALID_ARG', key)
    await expectFailure(() => region.write(98, new Uint8Array(3)), 'INVALID_ARG')
    await expectFailure(() => region.read(101, new Uint8Array(0)), 'INVALID_ARG')
    await expectFailure(
      () => region.read(Number.MAX_SAFE_INTEGER, new Uint8Array(1)),
      'INVALID_ARG',
    )
    using readOnly = SharedMemory.open(key, { readOnly: true })
    await expectFailure(() => readOnly.write(0, new Uint8Array(1)), 'INVALID_ARG')
    for (const bad of ['', '/', '/a/b', 'x\u0001y', '/triton_python_backend_shm_region_1']) {
      await expectFailure(() => SharedMemory.create(bad, { byteSize: 10 }), 'INVALID_ARG')
    }
    await expectFailure(() => SharedMemory.create(newKey(), { byteSize: 0 }), 'INVALID_ARG')
    await expectFailure(() => SharedMemory.create(newKey(), { byteSize: 2 ** 50 }), 'UNAVAILABLE')
    expect(() => SharedMemory.create(5 as never, { byteSize: 10 })).toThrow(TypeError)
    expect(() => SharedMemory.create(newKey(), undefined as never)).toThrow(TypeError)
    expect(() => SharedMemory.create(newKey(), { byteSize: -1 })).toThrow(RangeError)
    expect(() => region.read(-1, new Uint8Array(1))).toThrow(RangeError)
    expect(() => region.read(0, [] as never)).toThrow(TypeError)
    expect(() => region.tensor('FP32', [-1])).toThrow(RangeError)
    expect(() => region.tensor('FP32', [1], { offset: -4 })).toThrow(RangeError)
    expect(() => region.tensor('BYTES', [1])).toThrow(TypeError)
    await expectFailure(() => region.tensor('FP64', [2 ** 51]), 'INVALID_ARG')
  })

  it('is over after close', async () => {
    const region = SharedMemory.create(newKey(), { byteSize: 64 })
    region.close()
    await expectFailure(() => region.read(0, new Uint8Array(1)), 'UNAVAILABLE', 'closed')
    await expectFailure(() => region.write(0, new Uint8Array(1)), 'UNAVAILABLE', 'closed')
    await expectFailure(() => region.view(), 'UNAVAILABLE', 'closed')
    await expectFailure(() => region.tensor('FP32', [1]), 'UNAVAILABLE', 'closed')
  })

  it('has a view that outlives it', async () => {
    const key = newKey()
    const region = SharedMemory.create(key, { byteSize: 8192 })
    const view = region.view()
    expect(view.length).toBe(8192)
    view[17] = 42
    const byte = new Uint8Array(1)
    region.read(17, byte)
    expect(byte[0]).toBe(42)
    expect(region.view().buffer).toBe(view.buffer)
    region.close()
    view[18] = 43
    expect([view[17], view[18]]).toEqual([42, 43])
    // A view that JS transfers away is still the region.
    const moved = transferAway(view)
    expect(new Uint8Array(moved)[17]).toBe(42)
  })

  it('that is read-only has no view', async () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 64 })
    using readOnly = SharedMemory.open(region.key, { readOnly: true })
    await expectFailure(() => readOnly.view(), 'UNSUPPORTED', 'read-only')
  })
})

describe('tensors in regions', () => {
  it('go in and out without a copy', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const before = (await model.statistics()).copy_stats
    for (let i = 0; i < 10; i++) {
      region.write(0, digits.imageOf(i))
      const image = region.tensor('FP32', imageShape)
      const target = region.tensor('FP32', [1, 10], { offset: 1024 })
      const { logits } = await model.infer({ image }, { outputs: { logits: target } })
      expect(logits).toBe(target)
      const found = new Float32Array(10)
      region.read(1024, found)
      const recorded = digits.recordedOf(i)
      for (let k = 0; k < 10; k++) expect(Math.abs(found[k]! - recorded[k]!)).toBeLessThan(1e-4)
    }
    expect((await model.statistics()).copy_stats).toEqual(before)
  })

  it('lie at any offset, of any alignment', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 20_000 })
    for (const offset of [1, 3, 4095, 4096, 4097, 9999]) {
      region.write(offset, digits.imageOf(2))
      const { logits } = await model.infer({ image: region.tensor('FP32', imageShape, { offset }) })
      const recorded = digits.recordedOf(2)
      const found = logits!.data as Float32Array
      for (let k = 0; k < 10; k++) expect(Math.abs(found[k]! - recorded[k]!)).toBeLessThan(1e-4)
    }
  })

  it('may be BYTES', async () => {
    const text = await loadIdentity(server, 'text', { datatype: 'BYTES', dims: [2] })
    using region = SharedMemory.create(newKey(), { byteSize: 256 })
    region.write(10, Uint8Array.of(2, 0, 0, 0, 104, 105, 1, 0, 0, 0, 33))
    const INPUT0 = region.tensor('BYTES', [2], { offset: 10, byteSize: 11 })
    const { OUTPUT0 } = await text.infer({ INPUT0 })
    expect(OUTPUT0!.toStrings()).toEqual(['hi', '!'])
    const target = region.tensor('BYTES', [2], { offset: 100, byteSize: 64 })
    await text.infer({ INPUT0 }, { outputs: { OUTPUT0: target } })
    const bytes = new Uint8Array(11)
    region.read(100, bytes)
    expect([...bytes]).toEqual([2, 0, 0, 0, 104, 105, 1, 0, 0, 0, 33])
    // A length beyond the region's bytes is seen, not followed.
    region.write(10, Uint32Array.of(0xffffffff))
    await expectFailure(() => text.infer({ INPUT0 }), 'INVALID_ARG', 'INPUT0')
  })

  it('are refused as outputs when the region is read-only', async () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 4096 })
    using readOnly = SharedMemory.open(key, { readOnly: true })
    region.write(0, digits.imageOf(0))
    const image = readOnly.tensor('FP32', imageShape)
    await model.infer({ image })
    const logits = readOnly.tensor('FP32', [1, 10], { offset: 1024 })
    await expectFailure(() => model.infer({ image }, { outputs: { logits } }), 'INVALID_ARG')
  })

  it('keep the memory of a region that is closed while they are used', async () => {
    const slow = await loadIdentity(server, 'slow', { executeDelayMs: 30 })
    const region = SharedMemory.create(newKey(), { byteSize: 4096 })
    region.write(0, Float32Array.of(1, 2, 3, 4))
    const answer = slow.infer({ INPUT0: region.tensor('FP32', [4]) })
    await new Promise((resolve) => setImmediate(resolve))
    region.close()
    expect([...((await answer).OUTPUT0!.data as Float32Array)]).toEqual([1, 2, 3, 4])
  })

  it('work in batches of many', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 64 * 256 + 64 * 40 })
    region.write(0, digits.images.slice(0, 64 * 64))
    await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        model.infer(
          { image: region.tensor('FP32', imageShape, { offset: i * 256 }) },
          { outputs: { logits: region.tensor('FP32', [1, 10], { offset: 64 * 256 + i * 40 }) } },
        ),
      ),
    )
    const found = new Float32Array(640)
    region.read(64 * 256, found)
    found.forEach((value, k) => {
      expect(Math.abs(value - digits.recordedLogits[k]!)).toBeLessThan(1e-4)
    })
  })
})

describe('registration', () => {
  it('follows the extension', async () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 10_000 })
    region.write(5001, digits.imageOf(3))
    server.registerSystemSharedMemory('a', { key, byteSize: 4000 })
    server.registerSystemSharedMemory('b', { key, byteSize: 1000, offset: 4990 })
    expect(server.systemSharedMemoryStatus('b')).toEqual([
      { name: 'b', key, offset: 4990, byteSize: 1000 },
    ])
    expect(server.systemSharedMemoryStatus().map(({ name }) => name)).toEqual(['a', 'b'])
    const image = server.regionTensor('b', 'FP32', imageShape, { offset: 11 })
    const logits = server.regionTensor('a', 'FP32', [1, 10], { offset: 8 })
    await model.infer({ image }, { outputs: { logits } })
    const found = new Float32Array(10)
    region.read(8, found)
    const recorded = digits.recordedOf(3)
    for (let k = 0; k < 10; k++) expect(Math.abs(found[k]! - recorded[k]!)).toBeLessThan(1e-4)

    await expectFailure(
      () => server.registerSystemSharedMemory('a', { key, byteSize: 10 }),
      'ALREADY_EXISTS',
      "'a'",
    )
    await expectFailure(
      () => server.registerSystemSharedMemory('c', { key, byteSize: 10_001 }),
      'INVALID_ARG',
      "'c'",
    )
    await expectFailure(
      () => server.registerSystemSharedMemory('c', { key, byteSize: 2 ** 53 - 1, offset: 2 ** 52 }),
      'INVALID_ARG',
    )
    server.unregisterSystemSharedMemory('a')
    server.unregisterSystemSharedMemory('never seen')
    await expectFailure(() => server.systemSharedMemoryStatus('a'), 'NOT_FOUND', "'a'")
    server.unregisterSystemSharedMemory()
    expect(server.systemSharedMemoryStatus()).toEqual([])
    const wrong: [unknown, unknown][] = [
      [5, { key, byteSize: 1 }],
      ['n', null],
      ['n', { byteSize: 1 }],
      ['n', { key, byteSize: '1' }],
    ]
    for (const [name, options] of wrong) {
      expect(() => server.registerSystemSharedMemory(name as never, options as never)).toThrow(
        TypeError,
      )
    }
  })

  it('waits for requests that use the region', async () => {
    const slow = await loadIdentity(server, 'slow-registered', { executeDelayMs: 30 })
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 64 })
    region.write(0, Float32Array.of(1, 2, 3, 4))
    server.registerSystemSharedMemory('held', { key, byteSize: 64 })
    const answer = slow.infer({ INPUT0: server.regionTensor('held', 'FP32', [4]) })
    await new Promise((resolve) => setImmediate(resolve))
    server.unregisterSystemSharedMemory('held')
    await expectFailure(
      () => slow.infer({ INPUT0: server.regionTensor('held', 'FP32', [4]) }),
      'NOT_FOUND',
      'held',
    )
    expect([...((await answer).OUTPUT0!.data as Float32Array)]).toEqual([1, 2, 3, 4])
  })

  it('is only for keys of this process, unless allowed', async () => {
    const key = newKey()
    // Another process is the creator; it waits until it may remove the object.
    const producer = `
      import { SharedMemory } from 'trident'
      const [key] = process.argv.slice(-1)
      const region = SharedMemory.create(key, { byteSize: 4096 })
      region.write(0, Float32Array.of(...JSON.parse(process.argv.at(-2))))
      console.log('ready')
      process.stdin.once('data', () => { region.close(); process.exit() })`
    const image = JSON.stringify([...digits.imageOf(9)])
    const recorded = digits.recordedOf(9)
    const { code, stderr } = await runChild(producer, {
      args: [image, key],
      onLine: async (_line, child) => {
        try {
          await expectFailure(
            () => server.registerSystemSharedMemory('foreign', { key, byteSize: 4096 }),
            'UNSUPPORTED',
            key,
            'allow',
          )
          const prefix = `${key.slice(1, -1)}*`
          for (const allow of [[key], [prefix]]) {
            await using open = await createServer({ sharedMemory: { allow } })
            const other = await open.loadModel({ name: 'digits', path: digits.modelFile })
            open.registerSystemSharedMemory('foreign', { key, byteSize: 4096 })
            const { logits } = await other.infer(
              { image: open.regionTensor('foreign', 'FP32', imageShape) },
              {
                outputs: { logits: open.regionTensor('foreign', 'FP32', [1, 10], { offset: 512 }) },
              },
            )
            expect(logits.shape).toEqual([1, 10])
          }
          using region = SharedMemory.open(key)
          const found = new Float32Array(10)
          region.read(512, found)
          for (let k = 0; k < 10; k++) expect(Math.abs(found[k]! - recorded[k]!)).toBeLessThan(1e-4)
          child.send('thanks')
        } catch (error) {
          child.kill('SIGKILL')
          console.error(error)
        }
      },
    })
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })
})

describe('a peer that shrinks a region', () => {
  const shrink = (key: string, size: number) => truncateSync(`/dev/shm${key}`, size)

  it('costs later requests an error, and nobody else', async () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 65536 })
    using other = SharedMemory.create(newKey(), { byteSize: 4096 })
    other.write(0, digits.imageOf(0))
    region.write(0, digits.imageOf(0))
    const image = region.tensor('FP32', imageShape)
    const far = region.tensor('FP32', imageShape, { offset: 40_000 })
    await model.infer({ image })
    shrink(key, 0)
    await expectFailure(() => model.infer({ image }), 'INTERNAL', key)
    await expectFailure(() => model.infer({ image: far }), 'INTERNAL', key)
    await expectFailure(
      () =>
        model.infer(
          { image: other.tensor('FP32', imageShape) },
          { outputs: { logits: region.tensor('FP32', [1, 10]) } },
        ),
      'INTERNAL',
      key,
    )
    await expectFailure(() => region.read(0, new Uint8Array(16)), 'INTERNAL', key)
    await expectFailure(() => region.write(0, new Uint8Array(16)), 'INTERNAL', key)
    await model.infer({ image: other.tensor('FP32', imageShape) })
  })

  it('costs requests under way an error', async () => {
    const slow = await loadIdentity(server, 'slow-shrunk', { executeDelayMs: 30, dims: [1000] })
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 65536 })
    const answer = slow.infer({ INPUT0: region.tensor('FP32', [1000], { offset: 40_000 }) })
    const outcome = Promise.allSettled([answer])
    await new Promise((resolve) => setTimeout(resolve, 5))
    shrink(key, 0)
    const [result] = await outcome
    expect((result as PromiseRejectedResult).reason.code).toBe('INTERNAL')
    const { OUTPUT0 } = await slow.infer({ INPUT0: new Float32Array(1000) })
    expect(OUTPUT0).toBeInstanceOf(Tensor)
  })

  it('costs prepared runs an error', async () => {
    const key = newKey()
    using region = SharedMemory.create(key, { byteSize: 4096 })
    region.write(0, digits.imageOf(0))
    using run = model.prepare({ inputs: { image: region.tensor('FP32', imageShape) } })
    run.sync()
    shrink(key, 100)
    await expectFailure(() => run.sync(), 'INTERNAL', key)
    await expectFailure(() => run.async(), 'INTERNAL', key)
  })
})

describe('bad arguments', () => {
  it('are refused, misspelled options too', async () => {
    using region = SharedMemory.create(newKey(), { byteSize: 4096 })
    const open = () => SharedMemory.open(region.key, { readonly: true } as never)
    expect(open).toThrow(/'readonly'.*'readOnly'/)
    const create = () => SharedMemory.create(newKey(), { byteSize: 1, size: 1 } as never)
    expect(create).toThrow(/'size'/)
    expect(() => region.tensor('FP32', [1], { ofset: 4 } as never)).toThrow(/'ofset'.*'offset'/)
    expect(() => region.tensor('FP32', [1], null as never)).toThrow(/an object, got null/)
    for (const array of [new Uint8Array(8), new DataView(new ArrayBuffer(8))]) {
      transferAway(array)
      await expectFailure(() => region.read(0, array), 'INVALID_ARG', 'detached')
      await expectFailure(() => region.write(0, array), 'INVALID_ARG', 'detached')
    }
    region.read(0, new Uint8Array(0))
  })

  it('a number of memory is given once', () => {
    const { native } = getBridge()
    const [old] = native.regionCreate(newKey(), 4096)
    native.regionUnlink(old)
    native.forgetMemory(old)
    using _next = SharedMemory.create(newKey(), { byteSize: 4096 })
    expect(() => native.regionRead(old, 0, new Uint8Array(1))).toThrow('closed')
  })
})
