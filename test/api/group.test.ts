// How many requests cross to native together: the pure part of turn coalescing.
import { expect, test } from 'vitest'
import { Group } from '../../src/group.js'

/** A bridge in short: crossings and settlements are numbered. */
class Clients {
  readonly group: Group
  #crossing = 0
  #settlement = 0

  constructor(...settings: ConstructorParameters<typeof Group>) {
    this.group = new Group(...settings)
  }

  /** Makes requests in one turn; how many crossed each time. */
  ask(count: number): number[] {
    const crossed: number[] = []
    let waiting = 0
    const cross = () => {
      crossed.push(waiting)
      waiting = 0
      this.#crossing++
    }
    for (let i = 0; i < count; i++) {
      waiting++
      if (this.group.join(this.#crossing)) cross()
    }
    if (waiting > 0) cross() // the end of the turn
    return crossed
  }

  /** Makes a request that does not cross after all. */
  thinkBetterOfIt(): void {
    this.group.join(this.#crossing)
    this.group.withdraw()
  }

  answer(count: number): void {
    for (let i = 0; i < count; i++) this.group.leave(this.#settlement)
    this.#settlement++
  }

  /** All are answered at once and ask again at once, until they cross in shares. */
  fallIntoStep(count: number): number[] {
    this.ask(count)
    for (let turns = 0; turns < 10_000; turns++) {
      this.answer(count)
      const crossed = this.ask(count)
      if (crossed.length > 1) return crossed
    }
    return []
  }
}

test('the requests of a turn cross together, as far as they fill a batch', () => {
  expect(new Clients(64, 1, 1).ask(64)).toEqual([64])
  expect(new Clients(64, 1, 1).ask(100)).toEqual([64, 36])
  expect(new Clients(64, 1, 4).ask(20)).toEqual([16, 4])
  expect(new Clients(8, 1, 1).ask(40)).toEqual([32, 8])
  expect(new Clients(0, 1, 1).ask(40)).toEqual([32, 8])
})

test('so they do when some were answered in this turn', () => {
  const clients = new Clients(64, 1, 1)
  let last = 9
  clients.ask(last)
  for (const count of [9, 10, 64, 2, 2, 2]) {
    clients.answer(last)
    expect(clients.ask(count)).toEqual([count])
    last = count
  }
})

test('clients in step with one instance come to cross in two shares', () => {
  const clients = new Clients(64, 1, 1)
  expect(clients.fallIntoStep(64)).toEqual([32, 32])
  for (let turn = 0; turn < 100; turn++) {
    clients.answer(32)
    expect(clients.ask(32)).toEqual([32])
  }
})

test('instances are workers too', () => {
  expect(new Clients(64, 3, 1).fallIntoStep(64)).toEqual([16, 16, 16, 16])
})

test('a share is not very small, and few clients have none', () => {
  expect(new Clients(64, 1, 1).fallIntoStep(12)).toEqual([8, 4])
  expect(new Clients(64, 1, 1).fallIntoStep(8)).toEqual([])
})

test('who waits for all answers keeps requests together, but for rare attempts', () => {
  const clients = new Clients(64, 1, 1)
  clients.ask(64)
  let attempts = 0
  for (let turn = 0; turn < 1000; turn++) {
    clients.answer(64)
    const shares = clients.ask(64)
    if (shares.length === 1) continue
    attempts++
    clients.answer(32) // and nobody asks again
    clients.answer(32)
    expect(clients.ask(64)).toEqual([64])
  }
  expect(attempts).toBeGreaterThan(0)
  expect(attempts).toBeLessThan(7)
})

test('a request that crossed by itself counts for the shares, one that did not cross does not', () => {
  const clients = new Clients(64, 1, 1)
  clients.fallIntoStep(64)
  for (let i = 0; i < 16; i++) clients.group.adopt()
  for (let i = 0; i < 16; i++) clients.thinkBetterOfIt()
  clients.answer(32)
  expect(clients.ask(48)).toEqual([40, 8])
})

test('a request that did not cross is no sign of clients that ask again', () => {
  const clients = new Clients(64, 1, 1)
  clients.fallIntoStep(64)
  clients.answer(32)
  clients.thinkBetterOfIt()
  clients.answer(32)
  expect(clients.ask(64)).toEqual([64])
})

test('a lone client leaves no shares behind for a burst', () => {
  const lone = new Clients(64, 1, 1)
  lone.fallIntoStep(1)
  lone.answer(1)
  expect(lone.ask(64)).toEqual([64])

  const fewer = new Clients(64, 1, 1)
  fewer.fallIntoStep(64)
  fewer.answer(64)
  for (let turn = 0; turn < 3; turn++) {
    expect(fewer.ask(1)).toEqual([1])
    fewer.answer(1)
  }
  expect(fewer.ask(64)).toEqual([64])
})
