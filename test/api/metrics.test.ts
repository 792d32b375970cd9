import { afterEach, expect, it } from 'vitest'
import { loadIdentity } from './support/identity.js'
import { testBackends } from './support/repeat.js'
import { createServer, type Server, type ServerOptions } from './support/trident.js'
import { Gate, loadWitness } from './support/witness.js'

const servers: Server[] = []

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await createServer({ modelControl: 'explicit', ...options })
  servers.push(server)
  return server
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

const input = { INPUT0: new Float32Array(4) }

/** The value of the sample that begins like this. */
async function sample(server: Server, name: string): Promise<string | undefined> {
  const lines = (await server.metrics()).split('\n')
  return lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1)
}

it('tells what models do', async () => {
  const server = await start()
  const model = await loadIdentity(server, 'told', {
    maxBatchSize: 8,
    config: { metricTags: { site: 'here' } },
  })
  const labels = '{_site="here",model="told",version="1"}'
  await model.infer({ INPUT0: new Float32Array(12) })
  model.inferSync({ INPUT0: new Float32Array(4) })
  expect(await sample(server, `nv_inference_request_success${labels}`)).toBe('2')
  expect(await sample(server, `nv_inference_count${labels}`)).toBe('4')
  expect(await sample(server, `nv_inference_exec_count${labels}`)).toBe('2')
  expect(await sample(server, `nv_inference_pending_request_count${labels}`)).toBe('0')
  expect(Number(await sample(server, `nv_model_load_duration_secs${labels}`))).toBeGreaterThan(0)
  await server.unloadModel('told')
  expect(await server.metrics()).not.toContain('told')
})

it('tells requests that wait, and those that were cancelled while they did', async () => {
  const server = await start({ backendDirectory: testBackends, inlineBudget: 0 })
  const model = await loadWitness(server, 'busy')
  using gate = new Gate()
  const inputs = { input: new Float32Array(2) }
  const cancel = new AbortController()
  const first = model.infer(inputs, { parameters: gate.parameters })
  await gate.arrived()
  const second = model.infer(inputs, { signal: cancel.signal })
  const third = model.infer(inputs)
  const pending = () =>
    sample(server, 'nv_inference_pending_request_count{model="busy",version="1"}')
  await expect.poll(pending, { timeout: 30_000 }).toBe('2')
  cancel.abort()
  await expect(second).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect.poll(pending, { timeout: 30_000 }).toBe('1')
  gate.open()
  await Promise.all([first, third])
  expect(await pending()).toBe('0')
  const reasons = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'].map((reason) =>
    sample(server, `nv_inference_request_failure{model="busy",reason="${reason}",version="1"}`),
  )
  expect(await Promise.all(reasons)).toEqual(['0', '1', '0', '0'])
})

it('tells the response cache', async () => {
  const server = await start({ cache: { local: { size: 1 << 20 } } })
  const model = await loadIdentity(server, 'cached', {
    config: { responseCache: { enable: true } },
  })
  for (let i = 0; i < 3; ++i) await model.infer(input)
  const labels = '{model="cached",version="1"}'
  expect(await sample(server, `nv_cache_num_hits_per_model${labels}`)).toBe('2')
  expect(await sample(server, `nv_cache_num_misses_per_model${labels}`)).toBe('1')
  expect(await sample(server, `nv_inference_count${labels}`)).toBe('1')
  expect(await sample(server, 'nv_cache_num_lookups')).toBe('3')
  expect(await sample(server, 'nv_cache_num_entries')).toBe('1')
  expect(Number(await sample(server, 'nv_cache_util'))).toBeGreaterThan(0)
})

it('tells the latencies that it is asked for', async () => {
  const server = await start({
    metrics: { latencyCounters: false, latencySummaries: [0.5, 1], latencyHistograms: true },
  })
  const model = await loadIdentity(server, 'timed')
  await model.infer(input)
  const text = await server.metrics()
  expect(text).not.toContain('_duration_us')
  expect(text).toMatch(/nv_inference_request_summary_us{.*quantile="1"} \d/)
  expect(text).not.toContain('quantile="0.9"')
  expect(text).toMatch(/nv_inference_first_response_histogram_ms_count{.*} 1\n/)
})

it('measures nothing when told so', async () => {
  const server = await start({ metrics: false })
  await (await loadIdentity(server, 'unseen')).infer(input)
  expect(await server.metrics()).toBe('')
  const machine = await start({ metrics: { cpu: false } })
  expect(await machine.metrics()).not.toContain('nv_cpu')
})

it('has counters, gauges and histograms of the application', async () => {
  const server = await start({ metrics: false })
  const visits = server.metricFamily({ kind: 'counter', name: 'visits', description: 'Of pages' })
  const home = visits.metric({ page: 'home' })
  home.increment()
  visits.metric({ page: 'home' }).increment(2)
  expect(home.value).toBe(3)
  const heat = server.metricFamily({ kind: 'gauge', name: 'heat', description: 'Now' }).metric()
  heat.set(20)
  heat.increment(-0.5)
  const sizes = server.metricFamily({
    kind: 'histogram',
    name: 'sizes',
    description: 'Of things',
    buckets: [1, 10],
  })
  sizes.metric({ b: '2', a: '"1"' }).observe(7)
  expect(await server.metrics()).toBe(`# HELP heat Now
# TYPE heat gauge
heat 19.5
# HELP sizes Of things
# TYPE sizes histogram
sizes_bucket{a="\\"1\\"",b="2",le="1"} 0
sizes_bucket{a="\\"1\\"",b="2",le="10"} 1
sizes_bucket{a="\\"1\\"",b="2",le="+Inf"} 1
sizes_sum{a="\\"1\\"",b="2"} 7
sizes_count{a="\\"1\\"",b="2"} 1
# HELP visits Of pages
# TYPE visits counter
visits{page="home"} 3
`)
  home.delete()
  heat.delete()
  sizes.delete()
  expect(await server.metrics()).toBe('')
  expect(() => home.increment()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
  expect(visits.metric({ page: 'home' }).value).toBe(0)
})

it('has one object for each family until that is deleted', async () => {
  const server = await start({ metrics: false })
  const options = { kind: 'counter', name: 'one', description: 'x' } as const
  const family = server.metricFamily(options)
  family.metric().increment()
  expect(server.metricFamily({ ...options, description: 'y' })).toBe(family)
  family.delete()
  expect(server.metricFamily(options)).not.toBe(family)
  expect(server.metricFamily(options).metric().value).toBe(0)
})

it('shares metrics between servers, each until its own is closed', async () => {
  const [one, other] = [await start({ metrics: false }), await start({ metrics: false })]
  const options = { kind: 'counter', name: 'shared', description: 'x' } as const
  one.metricFamily(options).metric().increment()
  const metric = other.metricFamily(options).metric()
  expect(metric.value).toBe(1)
  await one.close()
  expect(await other.metrics()).toContain('shared 1\n')
  await other.close()
  expect(() => metric.increment()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
  const third = await start({ metrics: false })
  expect(await third.metrics()).toBe('')
  await expect(other.metrics()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

it('refuses what no metric is', async () => {
  const server = await start()
  const family = (options: object) => () => server.metricFamily(options as never)
  const invalid = expect.objectContaining({ code: 'INVALID_ARG' })
  const good = { kind: 'counter', name: 'good', description: 'x' }
  expect(family({ ...good, name: 'a b' })).toThrow(invalid)
  expect(family({ ...good, kind: 'gauge', name: 'nv_inference_count' })).toThrow(invalid)
  expect(family({ ...good, kind: 'summary' })).toThrow(TypeError)
  expect(family({ ...good, buckets: [1] })).toThrow(TypeError)
  expect(family({ ...good, kind: 'histogram' })).toThrow(TypeError)
  expect(family({ ...good, nmae: 'x' })).toThrow("did you mean 'name'?")
  const counters = server.metricFamily({ kind: 'counter', name: 'good', description: 'x' })
  expect(family({ ...good, kind: 'gauge' })).toThrow(invalid)
  expect(() => counters.metric({ 'a-b': '' })).toThrow(invalid)
  expect(() => counters.metric({ a: 1 } as never)).toThrow(TypeError)
  expect(() => counters.metric().increment(-1)).toThrow(invalid)
  expect(() => counters.metric().increment('1' as never)).toThrow(TypeError)
  const unordered = { kind: 'histogram', name: 'unordered', description: 'x' } as const
  expect(() => server.metricFamily({ ...unordered, buckets: [2, 1] }).metric()).toThrow(invalid)
  for (const metrics of [1, { cpus: true }, { latencySummaries: [2] }, { latencySummaries: [] }]) {
    await expect(createServer({ metrics } as never)).rejects.toThrow(/metrics|quantile/)
  }
})
