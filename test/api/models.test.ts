// Loading, unloading, reloading, and what is known about models meanwhile.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as digits from './support/digits.js'
import { expectFailure } from './support/expect.js'
import { identityConfig, loadIdentity } from './support/identity.js'
import { createServer, type ModelConfig, type Server } from './support/trident.js'

const folder = mkdtempSync(join(tmpdir(), 'trident-test-'))
let server: Server

const configText = (text = '') => `backend: "identity"
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
${text}`

function writeModel(name: string, versions: number[], text = ''): void {
  for (const version of versions)
    mkdirSync(join(folder, name, String(version)), { recursive: true })
  writeFileSync(join(folder, name, 'config.pbtxt'), configText(text))
}

beforeAll(async () => {
  writeModel('one', [1])
  writeModel('many', [1, 2, 5], 'version_policy: { all {} }')
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

const data = Float32Array.of(1, 2, 3, 4)

describe('load and unload', () => {
  it('take a model in and out of service', async () => {
    await expectFailure(() => server.model('one'), 'NOT_FOUND', "'one'")
    const model = await server.loadModel('one')
    expect(await model.ready()).toBe(true)
    expect(await server.modelReady('one')).toBe(true)
    expect((await model.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
    await model.unload()
    await expectFailure(() => model.infer({ INPUT0: data }), 'NOT_FOUND', "'one'")
    await expectFailure(() => model.inferSync({ INPUT0: data }), 'NOT_FOUND', "'one'")
    await server.unloadModel('one') // not loaded: nothing to do
    await server.unloadModel('never seen')
  })

  it('of a loaded model with requests under way: all of them end', async () => {
    const model = await loadIdentity(server, 'busy', { executeDelayMs: 5 })
    const answers = Array.from({ length: 20 }, () => model.infer({ INPUT0: data }))
    await new Promise((resolve) => setImmediate(resolve))
    await model.unload()
    const outcomes = await Promise.allSettled(answers)
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') expect(outcome.value.OUTPUT0!.data).toEqual(data)
      else expect(outcome.reason.code).toBe('UNAVAILABLE')
    }
    expect(outcomes[0]!.status).toBe('fulfilled')
    await expectFailure(() => model.infer({ INPUT0: data }), 'NOT_FOUND')
  })

  it('anew, without dropping a request', async () => {
    let model = await loadIdentity(server, 'again', { executeDelayMs: 1 })
    let loading = true
    let requests = 0
    const client = async () => {
      while (loading) {
        const { OUTPUT0 } = await model.infer({ INPUT0: data })
        expect(OUTPUT0!.data).toEqual(data)
        requests++
      }
    }
    const clients = Promise.all(Array.from({ length: 8 }, client))
    for (let round = 0; round < 10; round++) {
      model = await loadIdentity(server, 'again', { executeDelayMs: 1 })
      await model.infer({ INPUT0: data })
    }
    loading = false
    await clients
    expect(requests).toBeGreaterThan(10)
  })

  it('that fails leaves the old version in service', async () => {
    const model = await loadIdentity(server, 'steady')
    await expect(
      server.loadModel({
        name: 'steady',
        config: identityConfig({
          config: { parameters: { fail: { stringValue: 'model_initialize' } } },
        }),
        files: { '1/unused': new Uint8Array(0) },
      }),
    ).rejects.toThrow(/model_initialize/)
    expect((await model.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
    expect(await model.ready()).toBe(true)
  })

  it('many models at once', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `parallel-${i}`)
    const models = await Promise.all(names.map((name) => loadIdentity(server, name)))
    const answers = await Promise.all(models.map((model) => model.infer({ INPUT0: data })))
    for (const { OUTPUT0 } of answers) expect(OUTPUT0!.data).toEqual(data)
    await Promise.all(models.map((model) => model.unload()))
  })

  it('never blocks requests to other models', async () => {
    const model = await loadIdentity(server, 'bystander')
    let done = false
    const loads = Promise.all(
      Array.from({ length: 4 }, (_, i) =>
        server.loadModel({ name: `load-${i}`, path: digits.modelFile }),
      ),
    ).then(() => {
      done = true
    })
    let answered = 0
    while (!done) {
      await model.infer({ INPUT0: data })
      answered++
      await new Promise((resolve) => setImmediate(resolve))
    }
    await loads
    expect(answered).toBeGreaterThan(0)
  })
})

describe('a configuration', () => {
  it('given at load replaces the one on disk until the next load', async () => {
    const override = identityConfig({ dims: [2] })
    const model = await server.loadModel({ name: 'one', config: override })
    expect(model.inputs[0]!.shape).toEqual([2])
    const { OUTPUT0 } = await model.infer({ INPUT0: Float32Array.of(5, 6) })
    expect([...(OUTPUT0!.data as Float32Array)]).toEqual([5, 6])
    const plain = await server.loadModel('one')
    expect(plain.inputs[0]!.shape).toEqual([4])
    expect(model.inputs[0]!.shape).toEqual([4]) // the same model
    await expectFailure(() => model.infer({ INPUT0: Float32Array.of(5, 6) }), 'INVALID_ARG')
    await plain.unload()
  })

  it('is reported in camelCase, with the names of users untouched', async () => {
    const model = await loadIdentity(server, 'camel', {
      maxBatchSize: 8,
      config: {
        dynamicBatching: { preferredBatchSize: [4], maxQueueDelayMicroseconds: 100 },
        parameters: { some_name: { stringValue: 'a' }, otherName: { stringValue: 'b' } },
      },
    })
    const config = await model.config()
    expect(config).toMatchObject({
      name: 'camel',
      maxBatchSize: 8,
      dynamicBatching: { preferredBatchSize: [4] },
      parameters: { some_name: { stringValue: 'a' }, otherName: { stringValue: 'b' } },
    })
    expect(Number(config.dynamicBatching!.maxQueueDelayMicroseconds)).toBe(100)
  })

  it('with an unknown field is refused', async () => {
    const load = (config: ModelConfig) => () => loadIdentity(server, 'odd', { config })
    const spelled = (...names: string[]) => names.map((name) => `'${name}'`)
    const camel = spelled('maxBatchSice', 'maxBatchSize')
    await expectFailure(load({ maxBatchSice: 3 }), 'INVALID_ARG', ...camel)
    const snake = spelled('max_batch_sice', 'max_batch_size')
    await expectFailure(load({ max_batch_sice: 3 }), 'INVALID_ARG', ...snake)
    const inner = spelled('maxQueueDelayMicrosecond', 'maxQueueDelayMicroseconds')
    const batching = { dynamicBatching: { maxQueueDelayMicrosecond: 3 } }
    await expectFailure(load(batching), 'INVALID_ARG', ...inner)
  })

  it('that JSON can not say is refused', async () => {
    const load = (config: object) => loadIdentity(server, 'odd', { config: config as ModelConfig })
    await expect(load({ maxBatchSize: Number.NaN })).rejects.toThrow(
      new RangeError('config.maxBatchSize is a finite number, got NaN'),
    )
    const parameters: Record<string, unknown> = {}
    parameters.again = [parameters]
    await expect(load({ parameters })).rejects.toThrow(
      new TypeError('config.parameters.again[0] contains itself'),
    )
    await expect(load({ input: [{ dims: () => [4] }] })).rejects.toThrow(/input\[0\]\.dims/)
  })
})

describe('copies', () => {
  it('are counted since the model was loaded', async () => {
    const copies = async () => (await server.statistics('counted'))[0]!.copy_stats.count
    const model = await loadIdentity(server, 'counted')
    for (let i = 0; i < 3; i++) await model.infer({ INPUT0: data })
    const three = await copies()
    expect(three).toBeGreaterThanOrEqual(3)
    await loadIdentity(server, 'counted')
    expect(await copies()).toBe(0)
    for (let i = 0; i < 3; i++) await model.infer({ INPUT0: data })
    expect(await copies()).toBe(three)
    await server.unloadModel('counted')
    await loadIdentity(server, 'counted')
    expect(await copies()).toBe(0)
  })

  it('go on when a load fails', async () => {
    const copies = async () => (await server.statistics('kept'))[0]!.copy_stats.count
    const model = await loadIdentity(server, 'kept')
    await model.infer({ INPUT0: data })
    const before = await copies()
    await expect(loadIdentity(server, 'kept', { config: { nonsense: 1 } })).rejects.toThrow()
    expect(await copies()).toBe(before)
  })
})

describe('a Model kept while its model is unloaded', () => {
  it('learns of every later load', async () => {
    const kept = await loadIdentity(server, 'comes and goes', { dims: [4] })
    for (const dims of [[2], [3], [4]]) {
      await server.unloadModel('comes and goes')
      expect(() => kept.inputs).toThrow(/comes and goes/)
      await loadIdentity(server, 'comes and goes', { dims })
      expect(kept.inputs[0]!.shape).toEqual(dims)
      await kept.infer({ INPUT0: new Float32Array(dims[0]!) })
      await loadIdentity(server, 'comes and goes', { dims: [7] })
      expect(kept.inputs[0]!.shape).toEqual([7])
      expect(server.model('comes and goes').inputs[0]!.shape).toEqual([7])
    }
  })
})

describe('versions', () => {
  it('serve side by side', async () => {
    const model = await server.loadModel('many')
    expect(model.version).toBe(5)
    for (const version of [1, 2, 5]) {
      const one = server.model('many', version)
      expect(one.version).toBe(version)
      await one.infer({ INPUT0: data })
      await model.infer({ INPUT0: data }, { version })
    }
    await model.infer({ INPUT0: data })
    const statistics = await server.statistics('many')
    expect(
      statistics.map(({ version, inference_count }) => [Number(version), inference_count]).sort(),
    ).toEqual([
      [1, 2],
      [2, 2],
      [5, 3],
    ])
    await expectFailure(() => server.model('many', 3), 'NOT_FOUND', '3')
    const second = await server.loadModel({ name: 'many', version: 2 })
    expect(second.version).toBe(2)
  })
})

describe('the index', () => {
  it('lists models with their states', async () => {
    await using other = await createServer({ modelRepository: folder, modelControl: 'explicit' })
    const names = async (readyOnly: boolean) =>
      (await other.index({ readyOnly })).map(({ name }) => name).sort()
    expect(await names(true)).toEqual([])
    await other.loadModel('one')
    expect(await names(true)).toEqual(['one'])
    expect(await other.index({ readyOnly: true })).toMatchObject([
      { name: 'one', version: '1', state: 'READY' },
    ])
    await other.unloadModel('one')
    expect(await names(true)).toEqual([])
    const [entry] = (await other.index()).filter(({ name }) => name === 'one')
    expect(entry).toMatchObject({ state: 'UNAVAILABLE', reason: 'unloaded' })
  })
})

describe('control mode', () => {
  it("'none' loads everything and keeps it", async () => {
    await using other = await createServer({ modelRepository: folder })
    expect((await other.index({ readyOnly: true })).map(({ name }) => name)).toContain('one')
    await other.model('one').infer({ INPUT0: data })
    await expectFailure(() => other.loadModel('one'), 'UNAVAILABLE', 'explicit')
    await expectFailure(() => other.unloadModel('one'), 'UNAVAILABLE', 'explicit')
    await expectFailure(
      () => other.loadModel({ name: 'x', path: digits.modelFile }),
      'UNAVAILABLE',
      'explicit',
    )
  })

  it("'explicit' loads what is asked for at start", async () => {
    await using other = await createServer({
      modelRepository: folder,
      modelControl: 'explicit',
      startupModels: ['many'],
    })
    const ready = await other.index({ readyOnly: true })
    expect(new Set(ready.map(({ name }) => name))).toEqual(new Set(['many']))
  })
})
