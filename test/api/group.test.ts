// How many requests cross to native together: the pure part of turn coalescing.
import { expect, test } from 'vitest'
import { Group } from '../../src/group.js'

/** Joins until told to cross; how many joined. */
function joinUntilEnough(group: Group, crossing: number): number {
  for (let count = 1; count < 1000; count++) if (group.join(crossing)) return count
  return Number.POSITIVE_INFINITY
}

function answer(group: Group, crossing: number, count: number): void {
  for (let i = 0; i < count; i++) group.leave(crossing)
}

test('the requests of a turn cross when they fill a batch', () => {
  expect(joinUntilEnough(new Group(64, 1, 1), 0)).toBe(64)
  expect(joinUntilEnough(new Group(64, 1, 4), 0)).toBe(16)
  expect(joinUntilEnough(new Group(8, 1, 1), 0)).toBe(32)
  expect(joinUntilEnough(new Group(0, 1, 1), 0)).toBe(32)
})

test('what crossed before does not count', () => {
  const group = new Group(64, 1, 1)
  for (let i = 0; i < 63; i++) group.join(0)
  expect(joinUntilEnough(group, 1)).toBe(64)
})

test('clients in step with one instance cross in two shares', () => {
  const group = new Group(64, 1, 1)
  joinUntilEnough(group, 0)
  answer(group, 1, 64)
  expect(joinUntilEnough(group, 1)).toBe(32)
  expect(joinUntilEnough(group, 2)).toBe(64) // the rest crosses at the end of the turn
})

test('the share of clients in step stays when shares take turns', () => {
  const group = new Group(64, 1, 1)
  joinUntilEnough(group, 0)
  for (let crossing = 1; crossing < 20; crossing++) {
    answer(group, crossing, 32)
    expect(joinUntilEnough(group, crossing)).toBe(32)
  }
})

test('instances are workers too', () => {
  const group = new Group(64, 3, 1)
  joinUntilEnough(group, 0)
  answer(group, 1, 64)
  expect(joinUntilEnough(group, 1)).toBe(16)
})

test('a share is neither larger than a batch nor very small', () => {
  const many = new Group(64, 1, 1)
  for (let crossing = 0; crossing < 10; crossing++) joinUntilEnough(many, crossing)
  answer(many, 10, 64)
  expect(joinUntilEnough(many, 10)).toBe(64)
  const few = new Group(64, 1, 1)
  for (let i = 0; i < 10; i++) few.join(0)
  answer(few, 1, 10)
  expect(joinUntilEnough(few, 1)).toBe(8)
})

test('a request that crossed by itself, or not at all, leaves the count as it was', () => {
  const group = new Group(64, 1, 1)
  group.adopt()
  answer(group, 0, 1)
  group.join(1)
  group.leave(1)
  expect(joinUntilEnough(group, 2)).toBe(64)
})
