// Options of a server that change how models execute, and what it tells of them.
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { testBackends } from './support/repeat.js'
import { createServer, type ModelEvent, type ServerOptions } from './support/trident.js'

const data = Float32Array.of(1, 2, 3, 4)
const testCaches = join(testBackends, '../test_caches')

function refuses(options: object, type: new (...made: never[]) => Error, text: RegExp) {
  return expect(createServer(options as ServerOptions)).rejects.toSatisfy(
    (error) => error instanceof type && text.test(error.message),
  )
}

describe('cache', () => {
  const cached = { config: { responseCache: { enable: true } } }

  it('answers a request like an earlier one without executing it', async () => {
    await using server = await createServer({ cache: { local: { size: 1 << 20 } } })
    const model = await loadIdentity(server, 'cached', cached)
    for (let i = 0; i < 3; i++) {
      const { OUTPUT0 } = await model.infer({ INPUT0: data })
      expect(OUTPUT0!.data).toEqual(data)
      expect(OUTPUT0!.shape).toEqual([4])
    }
    expect(model.inferSync({ INPUT0: data }).OUTPUT0!.data).toEqual(data)
    const other = Float32Array.of(5, 6, 7, 8)
    expect((await model.infer({ INPUT0: other })).OUTPUT0!.data).toEqual(other)
    const { execution_count, inference_stats } = await model.statistics()
    expect(execution_count).toBe(2)
    expect(inference_stats.cache_hit.count).toBe(3)
    expect(inference_stats.cache_miss.count).toBe(2)
  })

  it('is only for models that ask for it, on servers that have one', async () => {
    await using server = await createServer({ cache: { local: { size: 1 << 20 } } })
    const model = await loadIdentity(server, 'plain')
    for (let i = 0; i < 3; i++) await model.infer({ INPUT0: data })
    expect((await model.statistics()).execution_count).toBe(3)
    await using without = await createServer({ logLevel: 'silent' })
    const uncached = await loadIdentity(without, 'cached', cached)
    for (let i = 0; i < 3; i++) await uncached.infer({ INPUT0: data })
    expect((await uncached.statistics()).execution_count).toBe(3)
  })

  it('of no size or another kind is refused', async () => {
    await expectFailure(
      () => createServer({ cache: { local: { size: 0 } } }),
      'INVALID_ARG',
      'size',
    )
    await refuses({ cache: { local: { size: -1 } } }, RangeError, /cache.local.size/)
    await refuses({ cache: { local: { size: '1' } } }, TypeError, /cache.local.size/)
    await refuses({ cache: {} }, TypeError, /cache.local/)
    await refuses({ cache: { locl: { size: 1 } } }, TypeError, /did you mean 'local'/)
    await refuses({ cacheDirectory: 7 }, TypeError, /cacheDirectory/)
    await refuses(
      { cacheDirectory: testCaches, cache: { keeper: {}, local: { size: 1 } } },
      TypeError,
      /one cache, got 2/,
    )
  })

  it('may be a plug-in', async () => {
    await using server = await createServer({
      cacheDirectory: testCaches,
      cache: { keeper: { mode: 'keep' } },
    })
    const model = await loadIdentity(server, 'cached', cached)
    for (let i = 0; i < 3; i++) {
      expect((await model.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
    }
    const { execution_count, inference_stats } = await model.statistics()
    expect(execution_count).toBe(1)
    expect(inference_stats.cache_hit.count).toBe(2)
  })

  it('that fails to start or does not exist says so', async () => {
    const start = (name: string, settings: object) =>
      createServer({ cacheDirectory: testCaches, cache: { [name]: { ...settings } } })
    await expectFailure(() => start('keeper', { mode: 'refuse' }), 'UNAVAILABLE', 'not today')
    await expectFailure(() => start('nobody', {}), 'INVALID_ARG', 'libtritoncache_nobody.so')
  })
})

describe('rateLimiter', () => {
  const needs = (count: number) => ({
    config: { instanceGroup: [{ rateLimiter: { resources: [{ name: 'R', count }] } }] },
  })

  it('lets models execute that share a resource', async () => {
    await using server = await createServer({
      rateLimiter: { mode: 'executionCount', resources: [{ name: 'R', count: 4 }] },
    })
    const models = [
      await loadIdentity(server, 'two', needs(2)),
      await loadIdentity(server, 'four', { ...needs(4), executeDelayMs: 1 }),
    ]
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => models[i % 2]!.infer({ INPUT0: data })),
    )
    for (const { OUTPUT0 } of answers) expect(OUTPUT0!.data).toEqual(data)
  })

  it('refuses a model that needs more than there is', async () => {
    await using server = await createServer({
      rateLimiter: { mode: 'executionCount', resources: [{ name: 'R', count: 1 }] },
      logLevel: 'silent',
    })
    await expectFailure(() => loadIdentity(server, 'two', needs(2)), 'INVALID_ARG', '"R"')
  })

  it('of wrong types is refused', async () => {
    await refuses({ rateLimiter: { mode: 'on' } }, TypeError, /'off' or 'executionCount'/)
    await refuses({ rateLimiter: { resources: { R: 1 } } }, TypeError, /resources is an array/)
    await refuses({ rateLimiter: { resources: [{ name: 'R' }] } }, TypeError, /resource 'R'/)
    await refuses({ rateLimiter: { resource: [] } }, TypeError, /did you mean 'resources'/)
  })
})

describe('hostPolicies', () => {
  const on = (hostPolicy: string) => ({ config: { instanceGroup: [{ hostPolicy }] } })

  it('are where instances run', async () => {
    await using server = await createServer({ hostPolicies: { first: { cpuCores: '0-0' } } })
    const model = await loadIdentity(server, 'pinned', on('first'))
    expect((await model.infer({ INPUT0: data })).OUTPUT0!.data).toEqual(data)
  })

  it('that can not be are refused when a model uses them', async () => {
    await using server = await createServer({
      hostPolicies: { odd: { cpuCores: 'all' } },
      logLevel: 'silent',
    })
    await expect(loadIdentity(server, 'odd', on('odd'))).rejects.toThrow(/cpu-cores/)
    await refuses({ hostPolicies: { a: { numaNode: '0' } } }, TypeError, /hostPolicies.a.numaNode/)
    await refuses({ hostPolicies: { a: { cores: '0' } } }, TypeError, /did you mean 'cpuCores'/)
  })
})

describe('onModelState', () => {
  it('tells of loads and unloads, before their promises settle', async () => {
    const events: string[] = []
    const record = ({ model, version, state }: ModelEvent) =>
      events.push(`${model} ${version} ${state}`)
    const server = await createServer({ onModelState: record })
    await loadIdentity(server, 'm')
    expect(events).toEqual(['m 1 LOADING', 'm 1 READY'])
    await server.unloadModel('m')
    expect(events.slice(2)).toEqual(['m 1 UNLOADING', 'm 1 UNLOADED'])
    await server.close()
  })

  it('tells why a load failed, and that the former one stays', async () => {
    const events: ModelEvent[] = []
    await using server = await createServer({
      onModelState: (event) => events.push(event),
      logLevel: 'silent',
    })
    await loadIdentity(server, 'm')
    events.length = 0
    const parameters = { fail: { stringValue: 'model_initialize' } }
    await expect(loadIdentity(server, 'm', { config: { parameters } })).rejects.toThrow()
    expect(events.map(({ state }) => state)).toEqual(['LOADING', 'UNAVAILABLE', 'READY'])
    expect(events[1]!.reason).toContain('model_initialize')
  })

  it('that throws fails as any callback, and misses nothing', async () => {
    const seen: string[] = []
    const caught = new Promise((resolve) => {
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener)
        resolve(error)
      })
    })
    await using server = await createServer({
      onModelState: ({ state }) => {
        seen.push(state)
        if (seen.length === 1) throw new Error('from the callback')
      },
    })
    await loadIdentity(server, 'm')
    expect(seen).toEqual(['LOADING', 'READY'])
    expect(await caught).toMatchObject({ message: 'from the callback' })
  })

  it('is a function', () =>
    refuses({ onModelState: true }, TypeError, /onModelState is a function/))
})

it('onDeviceEvent is a function', () =>
  refuses({ onDeviceEvent: true }, TypeError, /onDeviceEvent is a function/))

it('numbers of loads are whole', async () => {
  await refuses({ loadThreads: 2 ** 31 }, RangeError, /loadThreads/)
  await refuses({ loadRetries: 1.5 }, RangeError, /loadRetries/)
  await using server = await createServer({ loadRetries: 2, loadThreads: 2 })
  await loadIdentity(server, 'm')
})
