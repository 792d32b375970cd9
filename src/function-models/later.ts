// Values that may be there at once or later. What is there at once goes on at once: a function that
// is not async costs no promise.

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}

/** What a generator function returns. */
export function isIterator(value: unknown): value is AnyIterator {
  const iterator = value as AnyIterator | null | undefined
  return typeof iterator?.next === 'function' && typeof value === 'object'
}

export interface AnyIterator {
  next(): IteratorResult<unknown> | PromiseLike<IteratorResult<unknown>>
  return?(): unknown
}

/** `then` of the value, or of each value of an iterator. */
export function mapValues(value: unknown, then: (value: unknown) => unknown): unknown {
  if (isIterator(value)) return mapIterator(value, then)
  return isPromise(value) ? value.then(then) : then(value)
}

function mapIterator(iterator: AnyIterator, then: (value: unknown) => unknown): AnyIterator {
  const map = (step: IteratorResult<unknown>): IteratorResult<unknown> =>
    step.value === undefined ? step : { ...step, value: then(step.value) }
  return {
    next() {
      const step = iterator.next()
      return isPromise(step) ? step.then(map) : map(step)
    },
    return: () => iterator.return?.(),
  }
}

/** `then` of what `call` gives for each index; all begin at once. */
export function callAll(
  count: number,
  call: (index: number) => unknown,
  then: (values: readonly unknown[]) => unknown,
): unknown {
  const values: unknown[] = []
  let pending = false
  try {
    for (let i = 0; i < count; i++) {
      const value = call(i)
      values.push(value)
      pending ||= isPromise(value)
    }
  } catch (error) {
    for (const value of values) if (isPromise(value)) value.then(undefined, () => {}) // it has failed
    throw error
  }
  return pending ? Promise.all(values).then(then) : then(values)
}
