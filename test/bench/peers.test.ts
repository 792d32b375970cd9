// The benchmark compares like with like, and does not take an error for an answer.
import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { load } from './support.js'

const { checkSame, distance } = await load('answers.mjs')
const { connectMessages } = await load('peers/messages.mjs')
const { workloads } = await load('workloads.mjs')

describe('answers', () => {
  it('are apart by their largest difference, as a share of the largest number', () => {
    expect(distance([1, -4], [1, -4])).toBe(0)
    expect(distance([1, -4.5], [1, -4])).toBe(0.125)
    expect(distance([0, 0], [0, 0])).toBe(0)
    expect(distance([1], [1, 2])).toBe(Infinity)
    expect(distance([Number.NaN], [1])).toBeNaN()
  })

  it('differ by more than rounding, or are the same', () => {
    const check = (values: number[]) =>
      checkSame('digits', [
        { name: 'a', values },
        { name: 'b', values: [10, 20] },
      ])
    check([10, 20.0001])
    expect(() => check([10, 20.1])).toThrow('digits: a gives 10,20.1, b 10,20')
    expect(() => check([10, Number.NaN])).toThrow('digits')
    expect(() => check([10])).toThrow('digits')
  })
})

describe('workloads', () => {
  it('are the same work for everybody: ONNX Runtime executes all of them', () => {
    for (const { name, backend } of workloads) expect(backend, name).toBe('onnxruntime')
  })
})

describe('a worker that is sent messages', () => {
  it('answers whoever asked, or fails', async () => {
    const sent: number[] = []
    const worker = Object.assign(new EventEmitter(), {
      postMessage: ({ id }: { id: number }) => sent.push(id),
    })
    const { ask } = await connectMessages(worker)
    const [first, second] = [ask(Float32Array.of(1)), ask(Float32Array.of(2))]
    worker.emit('message', { id: sent[1], error: 'Error: broken' })
    worker.emit('message', { id: sent[0], result: Float32Array.of(3) })
    await expect(second).rejects.toThrow('broken')
    expect(await first).toEqual(Float32Array.of(3))
  })
})
