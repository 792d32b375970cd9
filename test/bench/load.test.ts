// Percentiles, rounds and arrivals: what the benchmark computes, without what it measures.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { load } from './support.js'

const samples = await load('load/samples.mjs')
const rounds = await load('load/rounds.mjs')
const arrivals = await load('load/arrivals.mjs')
const { measureAsync } = await load('load/closed-loop.mjs')
const { measureOpenLoop } = await load('load/open-loop.mjs')

const seed = Date.now() >>> 0
const say = () => `seed ${seed}`

describe('percentiles', () => {
  it('are values that were measured, at their place', () => {
    const sorted = Array.from({ length: 100 }, (_, i) => i + 1)
    expect(samples.percentile(sorted, 0.5)).toBe(50)
    expect(samples.percentile(sorted, 0.99)).toBe(99)
    expect(samples.percentile(sorted, 1)).toBe(100)
    expect(samples.percentile([7], 0.01)).toBe(7)
    expect(samples.percentile([], 0.5)).toBeNaN()
  })

  it('have as many values below them as they say', () => {
    const values = fc.array(fc.double({ noNaN: true, min: 0, max: 1e6 }), { minLength: 1 })
    fc.assert(
      fc.property(values, fc.double({ noNaN: true, min: 0.01, max: 1 }), (list, fraction) => {
        const sorted = [...list].sort((a, b) => a - b)
        const at = samples.percentile(sorted, fraction)
        const notAbove = sorted.filter((value) => value <= at).length
        const below = sorted.filter((value) => value < at).length
        expect(notAbove).toBeGreaterThanOrEqual(fraction * sorted.length - 1e-6)
        expect(below).toBeLessThan(fraction * sorted.length + 1e-6)
      }),
    )
  })

  it('summarise milliseconds as microseconds, every call in one bin', () => {
    const some = new samples.Samples()
    for (let i = 1; i <= 100_000; i++) some.add(i / 1000)
    const summary = some.summarise(2000)
    expect(summary.calls).toBe(100_000)
    expect(summary.p50Us).toBeCloseTo(50_000, 3)
    expect(summary.p99Us).toBeCloseTo(99_000, 3)
    expect(summary.perSecond).toBe(50_000)
    expect(summary.histogram.reduce((a: number, b: number) => a + b, 0)).toBe(100_000)
    const first = summary.histogram.findIndex((count: number) => count > 0)
    expect(samples.binBegin(first)).toBeLessThanOrEqual(1.001)
    expect(samples.binBegin(first + 1)).toBeGreaterThan(1)
  })
})

describe('rounds', () => {
  it('take the median of each figure and add histograms up', () => {
    const all = [
      { p50Us: 3, histogram: [1, 0] },
      { p50Us: 100, histogram: [0, 2] },
      { p50Us: 2, histogram: [4, 4] },
    ]
    expect(rounds.medianOf(all)).toEqual({ p50Us: 3, histogram: [5, 6] })
    expect(rounds.median([4, 1])).toBe(2.5)
  })

  it('alternate', async () => {
    const order: string[] = []
    const measure = (name: string) => async () => {
      order.push(name)
      return { p50Us: order.length }
    }
    const result = await rounds.inRounds([measure('a'), measure('b')], 3, 'test')
    expect(order.join('')).toBe('ababab')
    expect(result).toEqual([{ p50Us: 3 }, { p50Us: 4 }])
  })

  it('add figures to the cases', async () => {
    const measure = async ({ factor }: { factor: number }, round: number) => ({
      p50Us: factor * (round + 1),
    })
    const cases = [
      { name: 'a', factor: 1 },
      { name: 'b', factor: 10 },
    ]
    expect(await rounds.measureCases(cases, measure, 3, 'test')).toEqual([
      { name: 'a', factor: 1, p50Us: 2 },
      { name: 'b', factor: 10, p50Us: 20 },
    ])
  })
})

describe('arrivals', () => {
  it('are the same for the same seed, in order, at the rate', () => {
    const make = () => arrivals.poissonArrivals(1000, 20, arrivals.seededRandom(seed))
    const times: Float64Array = make()
    expect(make()).toEqual(times)
    expect(times, say()).toEqual(times.slice().sort())
    expect(times.at(-1)!, say()).toBeLessThan(20_000)
    // 20,000 expected; seven standard deviations.
    expect(Math.abs(times.length - 20_000), say()).toBeLessThan(1000)
    const gaps = Array.from(times.subarray(1), (time, i) => time - times[i]!)
    const mean = gaps.reduce((a, b) => a + b, 0) / gaps.length
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
    // Of a Poisson process the gaps' standard deviation is their mean.
    expect(Math.sqrt(variance) / mean, say()).toBeGreaterThan(0.9)
    expect(Math.sqrt(variance) / mean, say()).toBeLessThan(1.1)
  })

  it('come in bursts: none in the off part, as many on average', () => {
    const random = arrivals.seededRandom(seed)
    const times: Float64Array = arrivals.burstArrivals(1000, 20, random, {
      periodMs: 100,
      onShare: 0.25,
    })
    expect(times, say()).toEqual(times.slice().sort())
    expect(times.filter((at) => at % 100 >= 25.000001).length, say()).toBe(0)
    expect(Math.abs(times.length - 20_000), say()).toBeLessThan(1000)
  })

  it('choose models by Zipf', () => {
    const pick = arrivals.zipf(100, arrivals.seededRandom(seed))
    const counts = new Array(100).fill(0)
    for (let i = 0; i < 100_000; i++) counts[pick()]++
    // The first is twice as likely as the second and ten times as the tenth.
    expect(counts[0] / counts[1], say()).toBeGreaterThan(1.8)
    expect(counts[0] / counts[1], say()).toBeLessThan(2.2)
    expect(counts[0] / counts[9], say()).toBeGreaterThan(8)
    expect(
      counts.every((count) => count > 0),
      say(),
    ).toBe(true)
  })
})

describe('the closed loop', () => {
  it('keeps that many calls going, and counts at least one of each client', async () => {
    let going = 0
    let most = 0
    const ends: (() => void)[] = []
    const call = () => {
      most = Math.max(most, ++going)
      return new Promise<void>((resolve) => ends.push(resolve))
    }
    // Calls end in pairs, long after the time that is measured.
    const timer = setInterval(() => {
      for (const end of ends.splice(0, 2)) {
        going--
        end()
      }
    }, 5)
    const summary = await measureAsync(call, 8, 0.001)
    clearInterval(timer)
    expect(most).toBe(8)
    expect(summary.calls).toBe(8)
    expect(summary.perSecond).toBeGreaterThan(0)
  })
})

describe('the open loop', () => {
  const refusal = new Error('no')
  const isRefusal = (error: Error) => error === refusal

  it('counts every request offered once', async () => {
    let asked = 0
    const call = () => (asked++ % 4 === 3 ? Promise.reject(refusal) : Promise.resolve())
    const times = Float64Array.of(0, 0, 0, 0, 1, 1, 1, 1)
    const result = await measureOpenLoop(call, times, { isRefusal })
    expect(result.offered).toBe(8)
    expect(result.calls).toBe(6)
    expect(result.refused).toBe(2)
    expect(result.attainment).toBe(6 / 8)
  })

  it('fails with an error that is no refusal, when what was sent before has ended', async () => {
    let asked = 0
    let ended = false
    const call = () => {
      if (asked++ === 1) return Promise.reject(new Error('broken'))
      return new Promise<void>((resolve) =>
        setImmediate(() => {
          ended = true
          resolve()
        }),
      )
    }
    const times = Float64Array.of(0, 0, 1000)
    await expect(measureOpenLoop(call, times, { isRefusal })).rejects.toThrow('broken')
    expect(asked).toBe(2)
    expect(ended).toBe(true)
  })

  const busyFor = (ms: number) => {
    const end = performance.now() + ms
    while (performance.now() < end);
  }

  it('charges a request for the time it was due, not for when it could be sent', async () => {
    const busy = async () => busyFor(20)
    const result = await measureOpenLoop(busy, Float64Array.of(0, 0, 0), { sloUs: 30_000 })
    // The third was due when the first was, and is answered after all three ran.
    expect(result.p99Us).toBeGreaterThanOrEqual(59_000)
    expect(result.inTime).toBe(0)
  })

  it('sends those that had to wait for others as well, and charges them for it', async () => {
    const together = 1024
    const ends: (() => void)[] = []
    let asked = 0
    const call = () => {
      if (++asked > together) return Promise.resolve()
      const answer = new Promise<void>((resolve) => ends.push(resolve))
      if (asked === together) {
        setImmediate(() => {
          expect(asked).toBe(together)
          busyFor(20)
          for (const end of ends) end()
        })
      }
      return answer
    }
    const result = await measureOpenLoop(call, new Float64Array(together + 1), { sloUs: 19_000 })
    expect(result.calls).toBe(together + 1)
    expect(result.inTime).toBe(0)
  })
})
