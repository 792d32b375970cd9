import { expect } from 'vitest'
import { type ErrorCode, TridentError } from './trident.js'

/** Waits for a rejection or catches a throw, and returns it. */
export async function failureOf(run: () => unknown): Promise<Error> {
  try {
    await run()
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return error as Error
  }
  throw new Error('expected a failure')
}

/** Expects a TridentError of this code whose message has all of these parts. */
export async function expectFailure(
  run: () => unknown,
  code: ErrorCode,
  ...parts: string[]
): Promise<TridentError> {
  const error = await failureOf(run)
  expect(error, error.stack).toBeInstanceOf(TridentError)
  expect((error as TridentError).code, error.message).toBe(code)
  for (const part of parts) expect(error.message).toContain(part)
  return error as TridentError
}
