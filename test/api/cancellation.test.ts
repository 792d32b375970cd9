import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { loadIdentity } from './support/identity.js'
import { createServer, type Model, type Server } from './support/trident.js'

let server: Server
let slow: Model
const delayMs = 60
const data = Float32Array.of(1, 2, 3, 4)

beforeAll(async () => {
  server = await createServer()
  slow = await loadIdentity(server, 'slow', { executeDelayMs: delayMs })
})
afterAll(() => server.close())

/** Resolves when what is under way on the model has ended. */
const settled = () => slow.infer({ INPUT0: data })

it('rejects at once when the signal is aborted, with its reason', async () => {
  const controller = new AbortController()
  const reason = new Error('changed my mind')
  const answer = slow.infer({ INPUT0: data }, { signal: controller.signal })
  let rejected = false
  answer.catch(() => {
    rejected = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  controller.abort(reason)
  await new Promise<void>((resolve) => process.nextTick(resolve))
  expect(rejected).toBe(true) // in the same turn, in which no completion can have come
  const error = await expectFailure(() => answer, 'CANCELLED', 'aborted')
  expect(error.cause).toBe(reason)
  expect(error.model).toBe('slow')
  await settled()
})

it('never submits when the signal was aborted before', async () => {
  const before = (await slow.statistics()).inference_stats
  const signal = AbortSignal.abort('early')
  const error = await expectFailure(() => slow.infer({ INPUT0: data }, { signal }), 'CANCELLED')
  expect(error.cause).toBe('early')
  const controller = new AbortController()
  const answer = slow.infer({ INPUT0: data }, { signal: controller.signal })
  controller.abort() // in the same turn: nothing has crossed yet
  await expectFailure(() => answer, 'CANCELLED')
  const after = (await slow.statistics()).inference_stats
  expect(after.success.count + after.fail.count).toBe(before.success.count + before.fail.count)
})

it('takes a waiting request out of the queue', async () => {
  const before = (await slow.statistics()).inference_stats
  const running = slow.infer({ INPUT0: data })
  const controller = new AbortController()
  const waiting = Array.from({ length: 10 }, () =>
    slow.infer({ INPUT0: data }, { signal: controller.signal }),
  )
  setImmediate(() => controller.abort())
  const outcomes = await Promise.allSettled(waiting)
  for (const outcome of outcomes) {
    expect((outcome as PromiseRejectedResult).reason.code).toBe('CANCELLED')
  }
  await running
  await settled()
  const after = (await slow.statistics()).inference_stats
  expect(after.success.count).toBe(before.success.count + 2)
})

it('keeps no listener on a signal of a finished request', async () => {
  const controller = new AbortController()
  await slow.infer({ INPUT0: data }, { signal: controller.signal })
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
})

it('rejects when the timeout passes, also while all instances are busy', async () => {
  const events: string[] = []
  const running = slow.infer({ INPUT0: data }).then(() => events.push('instance free'))
  await expectFailure(
    () => slow.infer({ INPUT0: data }, { timeout: 15 }),
    'UNAVAILABLE',
    'timeout',
    "'slow'",
    '15 ms',
  )
  events.push('timeout')
  await running
  expect(events).toEqual(['timeout', 'instance free'])
})

it('rejects when the timeout passes while the request executes', async () => {
  await expectFailure(() => slow.infer({ INPUT0: data }, { timeout: 10 }), 'UNAVAILABLE', '10 ms')
  const { OUTPUT0 } = await settled()
  expect(OUTPUT0!.data).toEqual(data)
})

it('does nothing when the answer comes first', async () => {
  const { OUTPUT0 } = await slow.infer(
    { INPUT0: data },
    { timeout: 60_000, signal: new AbortController().signal },
  )
  expect(OUTPUT0!.data).toEqual(data)
})

it('ends every request exactly once when aborts, timeouts and answers race', async () => {
  const quick = await loadIdentity(server, 'quick', { executeDelayMs: 1, maxBatchSize: 4 })
  const counts = { fulfilled: 0, CANCELLED: 0, UNAVAILABLE: 0 }
  for (let round = 0; round < 30; round++) {
    const controller = new AbortController()
    const answers = Array.from({ length: 20 }, (_, i) =>
      quick.infer(
        { INPUT0: data },
        i % 3 === 0 ? { signal: controller.signal } : i % 3 === 1 ? { timeout: 1 + (i % 7) } : {},
      ),
    )
    setTimeout(() => controller.abort(), round % 6)
    for (const outcome of await Promise.allSettled(answers)) {
      if (outcome.status === 'fulfilled') counts.fulfilled++
      else counts[outcome.reason.code as 'CANCELLED' | 'UNAVAILABLE']++
    }
  }
  expect(counts.fulfilled + counts.CANCELLED + counts.UNAVAILABLE).toBe(600)
  expect(counts.fulfilled).toBeGreaterThanOrEqual(180)
})

it('shares one listener among the requests of a signal', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  const controller = new AbortController()
  const { signal } = controller
  const answers = Array.from({ length: 40 }, () => slow.infer({ INPUT0: data }, { signal }))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort()
  for (const answer of answers) await expectFailure(() => answer, 'CANCELLED')
  await new Promise((resolve) => setImmediate(resolve)) // warnings come in a turn of their own
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})
