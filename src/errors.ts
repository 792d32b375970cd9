/** What went wrong, in Triton's words. */
export type ErrorCode =
  | 'UNKNOWN'
  | 'INTERNAL'
  | 'NOT_FOUND'
  | 'INVALID_ARG'
  | 'UNAVAILABLE'
  | 'UNSUPPORTED'
  | 'ALREADY_EXISTS'
  | 'CANCELLED'

/** Positions equal the numbers of TRITONSERVER_Error_Code. */
export const errorCodes: readonly ErrorCode[] = [
  'UNKNOWN',
  'INTERNAL',
  'NOT_FOUND',
  'INVALID_ARG',
  'UNAVAILABLE',
  'UNSUPPORTED',
  'ALREADY_EXISTS',
  'CANCELLED',
]

/**
 * Every failure of Trident that is not a wrong JavaScript type (those are TypeError and
 * RangeError). The message says what was being done, to which model and tensor, what was expected
 * and what was found.
 */
export class TridentError extends Error {
  override readonly name = 'TridentError'
  readonly code: ErrorCode
  /** The model concerned, if any. */
  declare readonly model?: string

  constructor(
    code: ErrorCode,
    message: string,
    options: { model?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.model !== undefined) this.model = options.model
  }
}

/**
 * A failure on its way from the completion queue to the call that waits for it. Not an Error yet:
 * that one is made where the caller awaits, so that its stack shows the caller, and capturing a
 * stack costs nothing unless a request fails.
 */
export class Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly cause: unknown

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    this.code = code
    this.message = message
    this.cause = cause
  }

  /** A message of the core. Where a function failed its stack follows, which is the cause. */
  static fromNative(code: number, text: string): Failure {
    const end = text.indexOf(stackBegin)
    const message = end < 0 ? text : text.slice(0, end)
    const cause = end < 0 ? undefined : withStack(message, text)
    return new Failure(errorCodes[code] ?? 'UNKNOWN', message, cause)
  }
}

/** What V8 puts between the message of an error and its stack. */
export const stackBegin = '\n    at '

function withStack(message: string, stack: string): Error {
  const error = new Error(message)
  error.stack = stack
  return error
}

/** What to throw for `reason`: a Failure becomes an error, an error that knows no model learns it. */
export function toError(reason: unknown, model?: string): unknown {
  if (reason instanceof Failure) {
    const cause = reason.cause === undefined ? {} : { cause: reason.cause }
    return new TridentError(reason.code, reason.message, { model, ...cause })
  }
  if (reason instanceof TridentError && reason.model === undefined && model !== undefined) {
    Object.defineProperty(reason, 'model', { value: model, enumerable: true })
  }
  return reason
}

/** An INVALID_ARG error, for reading arguments. */
export function invalid(message: string, model?: string): TridentError {
  return new TridentError('INVALID_ARG', message, { model })
}
