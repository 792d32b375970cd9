// When the core is told to go, seen from the bridge: a load that has not begun by then would find
// no server. Which of the two begins first is up to threads, so the bridge is one that waits.
import { expect, it } from 'vitest'
import type { Bridge } from '../../dist/esm/bridge.js'
import { ServerState } from '../../dist/esm/server-state.js'
import type { Tracing } from '../../dist/esm/tracing.js'
import { expectFailure } from './support/expect.js'

function stateWithTasks(exitTimeout: number) {
  const calls: string[] = []
  const ends: (() => void)[] = []
  const bridge = {
    observers: new Map(),
    native: { serverDelete: () => calls.push('delete'), endLoads: () => calls.push('endLoads') },
    run: (start: (task: number) => void) => {
      start(ends.length)
      return new Promise<void>((resolve) => ends.push(resolve))
    },
  }
  const tracing = { close: async () => {} } as Tracing
  const state = new ServerState(bridge as unknown as Bridge, exitTimeout, true, null, tracing)
  state.id = 1
  const load = () => state.run(() => calls.push('load'))
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
  return { state, calls, ends, load, nextTurn }
}

it('closes after the loads that are under way', async () => {
  const { state, calls, ends, load, nextTurn } = stateWithTasks(30_000)
  const loads = [load(), load()]
  let closed = false
  const closing = state.close().then(() => {
    closed = true
  })
  for (const task of [0, 1]) {
    await nextTurn()
    expect(calls).toEqual(['load', 'load'])
    ends[task]!()
    await loads[task]
  }
  await nextTurn()
  expect(calls).toEqual(['load', 'load', 'delete'])
  expect(closed).toBe(false)
  ends[2]!()
  await closing
})

it('tells loads to end at its exit timeout, and ends after them', async () => {
  const { state, calls, ends, load, nextTurn } = stateWithTasks(1)
  const loading = load()
  await expectFailure(() => state.close(), 'UNAVAILABLE', '1 ms', 'load')
  expect(calls).toEqual(['load', 'endLoads'])
  ends[0]!()
  await loading
  await nextTurn()
  expect(calls).toEqual(['load', 'endLoads', 'delete'])
})

it('starts no load from a path once it closes', async () => {
  const { state, load } = stateWithTasks(30_000)
  const waiting = state.loadFrom('/any', 'model', load)
  void state.close()
  await expectFailure(() => waiting, 'UNAVAILABLE', 'closed')
})
