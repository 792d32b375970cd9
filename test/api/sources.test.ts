// Where models come from: repositories, directories, files and bytes.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { createServer, type Server, type Tensor } from './support/trident.js'

const folder = mkdtempSync(join(tmpdir(), 'trident-test-'))
let server: Server

beforeAll(async () => {
  mkdirSync(join(folder, 'one', '1'), { recursive: true })
  writeFileSync(
    join(folder, 'one', 'config.pbtxt'),
    `backend: "identity"
     input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
     output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]`,
  )
  cpSync(join(digits.modelRepository, 'digits'), join(folder, 'digits'), { recursive: true })
  server = await createServer({
    modelRepository: folder,
    modelControl: 'explicit',
    logLevel: 'silent',
  })
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

const first = (tensor: Tensor | undefined) => (tensor!.data as Float32Array)[0]

describe('sources', () => {
  const image = digits.imageOf(0)
  const expected = digits.recordedOf(0)
  const expectAnswer = (tensor: Tensor | undefined) =>
    expect(Math.abs(first(tensor)! - expected[0]!)).toBeLessThan(1e-4)

  it('may be bytes', async () => {
    const files = { '1/model.onnx': readFileSync(digits.modelFile) }
    const model = await server.loadModel({
      name: 'from-bytes',
      config: { backend: 'onnxruntime' },
      files,
    })
    files['1/model.onnx'].fill(0)
    expectAnswer((await model.infer({ image })).logits)
  })

  it('may be a model file', async () => {
    const model = await server.loadModel({ name: 'from-file', path: digits.modelFile })
    expectAnswer((await model.infer({ image })).logits)
  })

  it('may be a model directory', async () => {
    const path = join(digits.modelRepository, 'digits')
    await using other = await createServer()
    const model = await other.loadModel({ name: 'digits', path })
    expectAnswer((await model.infer({ image })).logits)
    expect((await model.config()).maxBatchSize).toBeGreaterThan(0)
  })

  it('exclude each other', async () => {
    const both = { name: 'x', path: digits.modelFile, files: {} }
    await expect(server.loadModel(both)).rejects.toThrow(TypeError)
    const bad = { name: 'x', files: { '1/model.onnx': 'text' as never } }
    await expect(server.loadModel(bad)).rejects.toThrow(TypeError)
  })
})

describe('a path', () => {
  const path = join(digits.modelRepository, 'digits')
  const elsewhere = mkdtempSync(join(tmpdir(), 'trident-test-'))
  const bare = join(elsewhere, 'bare')
  const broken = join(elsewhere, 'broken.onnx')
  cpSync(join(path, '1'), join(bare, '1'), { recursive: true })
  writeFileSync(broken, 'no model')
  afterAll(() => rmSync(elsewhere, { recursive: true }))

  it('that fails to load leaves the model of the repository as it was', async () => {
    const bad = join(folder, 'one') // no onnx file
    await expectFailure(() => server.loadModel({ name: 'digits', path }), 'INVALID_ARG', 'unique')
    await expectFailure(() => server.loadModel({ name: 'digits', path: bad }), 'INVALID_ARG')
    const model = await server.loadModel('digits')
    expect(model.outputs[0]!.name).toBe('logits')
    await model.unload()
  })

  it('that fails to load leaves the one before', async () => {
    for (const good of [digits.modelFile, bare]) {
      await server.loadModel({ name: 'linked', path: good })
      await expectFailure(() => server.loadModel({ name: 'linked', path: broken }), 'INVALID_ARG')
      await server.unloadModel('linked')
      const model = await server.loadModel('linked')
      await model.infer({ image: digits.imageOf(0) })
      await model.unload()
    }
    await expect(server.loadModel({ name: 'never', path: broken })).rejects.toThrow()
    await expectFailure(() => server.loadModel('never'), 'INTERNAL', "'never'")
  })

  it('loads under one name take turns', async () => {
    const paths = [digits.modelFile, broken, bare, broken, digits.modelFile, broken]
    const loads = paths.map((one) => server.loadModel({ name: 'turns', path: one }))
    const outcomes = (await Promise.allSettled(loads)).map(({ status }) => status === 'fulfilled')
    expect(outcomes).toEqual([true, false, true, false, true, false])
    await server.unloadModel('turns')
    await (await server.loadModel('turns')).unload()
  })

  it('that can not be one is a typed error', async () => {
    const load = (name: string, from: string) => () => server.loadModel({ name, path: from })
    await expectFailure(load('x', join(digits.modelFile, 'below')), 'NOT_FOUND', "'x'", 'below')
    await expectFailure(load('x'.repeat(300), path), 'INVALID_ARG', 'ENAMETOOLONG')
    await expectFailure(load('x', 'y'.repeat(5000)), 'INVALID_ARG', 'ENAMETOOLONG')
  })

  it('needs a place for temporary files', async () => {
    const before = process.env.TMPDIR
    process.env.TMPDIR = '/does/not/exist'
    try {
      await expectFailure(() => createServer(), 'UNAVAILABLE', '/does/not/exist')
    } finally {
      if (before === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = before
    }
  })
})
