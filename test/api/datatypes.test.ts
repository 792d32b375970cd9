import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import {
  createServer,
  type Datatype,
  datatypes,
  type Model,
  type Server,
  Tensor,
  type TypedArray,
} from './support/trident.js'

let server: Server
beforeAll(async () => {
  server = await createServer()
})
afterAll(() => server.close())

/** Elements at the edges of each datatype's range; six for each. */
const edges: Record<Exclude<Datatype, 'BYTES'>, TypedArray> = {
  BOOL: Uint8Array.of(0, 1, 1, 0, 0, 1),
  UINT8: Uint8Array.of(0, 1, 127, 128, 254, 255),
  UINT16: Uint16Array.of(0, 1, 32767, 32768, 65534, 65535),
  UINT32: Uint32Array.of(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1),
  UINT64: BigUint64Array.of(0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 2n, 2n ** 64n - 1n),
  INT8: Int8Array.of(-128, -127, -1, 0, 1, 127),
  INT16: Int16Array.of(-32768, -32767, -1, 0, 1, 32767),
  INT32: Int32Array.of(-(2 ** 31), -(2 ** 31) + 1, -1, 0, 1, 2 ** 31 - 1),
  INT64: BigInt64Array.of(-(2n ** 63n), -(2n ** 53n) - 1n, -1n, 0n, 1n, 2n ** 63n - 1n),
  FP16: Uint16Array.of(0x0000, 0x8000, 0x3c00, 0x7bff, 0x7c00, 0x7e01), // 0, -0, 1, max, inf, NaN
  FP32: Float32Array.of(0, -0, 1.5, -3.4028234663852886e38, Number.POSITIVE_INFINITY, Number.NaN),
  FP64: Float64Array.of(0, -0, Number.MIN_VALUE, Number.MAX_VALUE, -Infinity, Number.NaN),
  BF16: Uint16Array.of(0x0000, 0x8000, 0x3f80, 0x7f7f, 0x7f80, 0x7fc1),
}

const bytesOf = (array: TypedArray): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

describe.each(Object.entries(edges))('%s', (name, data) => {
  const datatype = name as Exclude<Datatype, 'BYTES'>
  let model: Model
  let batched: Model
  beforeAll(async () => {
    model = await loadIdentity(server, `plain-${name}`, { datatype, dims: [2, 3] })
    batched = await loadIdentity(server, `batched-${name}`, {
      datatype,
      dims: [3],
      maxBatchSize: 4,
    })
  })

  it('comes back bit for bit', async () => {
    for (const input of [data as TypedArray, new Tensor(datatype, data as never, [2, 3])]) {
      const answers = [await model.infer({ INPUT0: input }), model.inferSync({ INPUT0: input })]
      for (const { OUTPUT0 } of answers) {
        expect(OUTPUT0).toBeInstanceOf(Tensor)
        expect(OUTPUT0!.datatype).toBe(datatype)
        expect(OUTPUT0!.shape).toEqual([2, 3])
        expect(OUTPUT0!.data.constructor).toBe(data.constructor)
        expect(bytesOf(OUTPUT0!.data as TypedArray)).toEqual(bytesOf(data))
      }
    }
  })

  it('comes back from a batch of several requests', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => batched.infer({ INPUT0: data })),
    )
    for (const { OUTPUT0 } of answers) {
      expect(OUTPUT0!.shape).toEqual([2, 3])
      expect(bytesOf(OUTPUT0!.data as TypedArray)).toEqual(bytesOf(data))
    }
  })

  it('may be empty', async () => {
    const empty = data.slice(0, 0) as TypedArray
    const { OUTPUT0 } = await batched.infer({
      INPUT0: new Tensor(datatype, empty as never, [0, 3]),
    })
    expect(OUTPUT0!.shape).toEqual([0, 3])
    expect(OUTPUT0!.data).toHaveLength(0)
  })
})

describe('BYTES', () => {
  const strings = ['', 'a', 'żółw', '🐢🐢', 'x'.repeat(5000), 'nul \0 inside']

  it('comes back as it was sent', async () => {
    const model = await loadIdentity(server, 'plain-BYTES', { datatype: 'BYTES', dims: [2, 3] })
    const inputs = [
      strings,
      strings.map((text) => Buffer.from(text)),
      strings.map((text) => new TextEncoder().encode(text)),
      Tensor.fromStrings(strings, [2, 3]),
      new Tensor('BYTES', strings, [2, 3]),
    ]
    for (const input of inputs) {
      for (const { OUTPUT0 } of [
        await model.infer({ INPUT0: input }),
        model.inferSync({ INPUT0: input }),
      ]) {
        expect(OUTPUT0!.shape).toEqual([2, 3])
        expect(OUTPUT0!.toStrings()).toEqual(strings)
      }
    }
  })

  it('is made of an array', () => {
    for (const strings of [null, undefined, 'text', {}]) {
      expect(() => Tensor.fromStrings(strings as never)).toThrow(/strings is an array/)
    }
  })

  it('may change its size from request to request', async () => {
    const model = await loadIdentity(server, 'sizes-BYTES', {
      datatype: 'BYTES',
      dims: [1],
      maxBatchSize: 8,
    })
    const texts = Array.from({ length: 60 }, (_, i) => 'ab'.repeat((i * 37) % 500))
    const answers = await Promise.all(texts.map((text) => model.infer({ INPUT0: [text] })))
    expect(answers.map(({ OUTPUT0 }) => OUTPUT0!.toStrings()[0])).toEqual(texts)
  })

  it('keeps bytes that are no text', async () => {
    const model = await loadIdentity(server, 'raw-BYTES', { datatype: 'BYTES', dims: [1] })
    const raw = Uint8Array.of(0xff, 0xfe, 0, 0x80)
    const { OUTPUT0 } = await model.infer({ INPUT0: [raw] })
    expect((OUTPUT0!.data as Uint8Array[])[0]).toEqual(raw)
  })

  it('takes only strings and byte arrays', async () => {
    const model = await loadIdentity(server, 'typed-BYTES', { datatype: 'BYTES', dims: [1] })
    await expect(model.infer({ INPUT0: [1 as never] })).rejects.toThrow(TypeError)
    await expectFailure(
      () => model.infer({ INPUT0: new Float32Array(1) }),
      'INVALID_ARG',
      'BYTES',
      'Float32Array',
    )
  })
})

describe('Tensor', () => {
  it('knows all datatypes', () => {
    expect([...datatypes].sort()).toEqual([...Object.keys(edges), 'BYTES'].sort())
  })

  it('refuses what can be no tensor', async () => {
    const f = new Float32Array(4)
    expect(() => new Tensor('FP33' as never, f as never, [4])).toThrow(TypeError)
    expect(() => new Tensor('FP32', new Float64Array(4) as never, [4])).toThrow(TypeError)
    expect(() => new Tensor('FP32', [1, 2] as never, [2])).toThrow(TypeError)
    expect(() => new Tensor('BYTES', f as never, [4])).toThrow(TypeError)
    expect(() => new Tensor('FP32', f, 4 as never)).toThrow(TypeError)
    expect(() => new Tensor('FP32', f, ['4'] as never)).toThrow(TypeError)
    expect(() => new Tensor('FP32', f, [-4])).toThrow(RangeError)
    expect(() => new Tensor('FP32', f, [0.5])).toThrow(RangeError)
    expect(() => new Tensor('FP32', f, [Number.NaN])).toThrow(RangeError)
    expect(() => new Tensor('FP32', f, Array(33).fill(1))).toThrow(RangeError)
    await expectFailure(() => new Tensor('FP32', f, [2, 3]), 'INVALID_ARG', '6 elements', '4')
    await expectFailure(() => new Tensor('FP32', f, [2 ** 40, 2 ** 40]), 'INVALID_ARG', 'counted')
    await expectFailure(() => new Tensor('FP32', f, [4]).toStrings(), 'INVALID_ARG', 'BYTES')
  })

  it('keeps its shape', () => {
    const shape = [2, 2]
    const tensor = new Tensor('FP32', new Float32Array(4), shape)
    shape[0] = 9
    expect(tensor.shape).toEqual([2, 2])
    expect(Object.isFrozen(tensor.shape)).toBe(true)
  })

  it('takes Buffers for bytes', async () => {
    const model = await loadIdentity(server, 'buffer', { datatype: 'UINT8', dims: [4] })
    const { OUTPUT0 } = await model.infer({ INPUT0: Buffer.from([1, 2, 3, 4]) })
    expect([...(OUTPUT0!.data as Uint8Array)]).toEqual([1, 2, 3, 4])
  })
})

describe('a bare array', () => {
  it('has the one shape the model leaves', async () => {
    const cases: [number[], number, number, number[]][] = [
      [[2, 3], 0, 6, [2, 3]],
      [[2, -1], 0, 10, [2, 5]],
      [[-1], 0, 7, [7]],
      [[2, 3], 8, 18, [3, 2, 3]],
    ]
    for (const [i, [dims, maxBatchSize, length, shape]] of cases.entries()) {
      const model = await loadIdentity(server, `bare-${i}`, { dims, maxBatchSize })
      const { OUTPUT0 } = await model.infer({ INPUT0: new Float32Array(length) })
      expect(OUTPUT0!.shape).toEqual(shape)
    }
  })

  it('is refused where the model leaves several', async () => {
    const batch = await loadIdentity(server, 'ambiguous-1', { dims: [-1], maxBatchSize: 8 })
    const two = await loadIdentity(server, 'ambiguous-2', { dims: [-1, -1] })
    for (const model of [batch, two]) {
      await expectFailure(
        () => model.infer({ INPUT0: new Float32Array(4) }),
        'INVALID_ARG',
        "input 'INPUT0'",
        'more than one variable dimension',
        'Tensor',
      )
    }
  })
})
