// The worker thread of one instance of a module: its start, its end, and its next start.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type ErrorCode, Failure } from '../errors.js'
import type { InstanceDescription } from '../function-binding.js'
import moduleDir from '../module-dir.cjs'

/** What the thread is told (`workerData`). */
export interface ThreadTask {
  /** The addon's path. */
  readonly nativeBinding: string
  readonly instance: number
  readonly description: InstanceDescription
}

/** What the thread tells. After all but 'ready' it waits for its end. */
export type ThreadMessage =
  | readonly ['ready']
  | readonly ['failed', ErrorCode, message: string]
  | readonly ['finalized']

/** Who is told how it goes. */
export interface ThreadEvents {
  /** The instance has never served, and does not come. */
  failed(reason: Failure): void
  /** The thread has ended; another starts in a while. */
  restarts(end: ThreadEnd): void
  /** One that was started anew is still not ready after so long. */
  late(afterMs: number): void
  /** The last thread has ended. */
  over(): void
  /** The instance has executed something with success since this was last asked. */
  takeSuccess(): boolean
}

export interface ThreadEnd {
  readonly reason: string
  /** Of an error that nobody caught, or ''. */
  readonly stack: string
  /** Until the next one starts. */
  readonly delayMs: number
}

/** An ES module even where this is CommonJS: it imports models of both kinds. */
const program = pathToFileURL(join(moduleDir, '../esm/function-models/worker.js')).href
/** As a text, because Node takes no file where the process was started with `--input-type`. */
const entry = `import(${JSON.stringify(program)})`

const firstDelayMs = 100
const longestDelayMs = 30_000
/** Requests wait no longer for a thread that is started anew. */
const patienceMs = 30_000

export class InstanceThread {
  readonly #task: ThreadTask
  readonly #events: ThreadEvents
  #worker: Worker | null = null
  /** A thread of it was ready once. */
  #hasServed = false
  #finished = false
  #reason = ''
  #stack = ''
  /** Before the next start, if nothing succeeds until then. */
  #delayMs = 0
  #nextStart: NodeJS.Timeout | undefined
  #late: NodeJS.Timeout | undefined

  constructor(task: ThreadTask, events: ThreadEvents) {
    this.#task = task
    this.#events = events
  }

  start(): void {
    this.#reason = ''
    this.#stack = ''
    if (this.#hasServed) {
      this.#late = setTimeout(() => this.#events.late(patienceMs), patienceMs).unref()
    }
    const name = this.#task.description.instanceName
    let worker: Worker
    try {
      worker = new Worker(entry, { eval: true, name, workerData: this.#task })
    } catch (error) {
      this.#ended(String(error)) // there are no more threads to be had
      return
    }
    this.#worker = worker
    worker.on('message', (message: ThreadMessage) => this.#heard(message))
    worker.on('error', (error: unknown) => {
      this.#reason ||= uncaught(error)
      if (error instanceof Error) this.#stack = error.stack ?? ''
    })
    worker.on('exit', (code) => {
      this.#worker = null
      this.#ended(this.#reason || `exit code ${code}`)
    })
    worker.unref() // a process that waits for no answer may end; who listens to messages keeps it
  }

  /** Ends the thread for what it does; another is started. */
  terminate(reason: string): void {
    this.#reason ||= reason
    void this.#worker?.terminate()
  }

  /** Ends the thread for good, and keeps the process until it has ended. */
  finish(): void {
    if (this.#finished) return
    this.#finished = true
    clearTimeout(this.#nextStart)
    this.#worker?.ref()
    if (this.#worker) void this.#worker.terminate()
    else this.#events.over()
  }

  #heard(message: ThreadMessage): void {
    if (message[0] === 'ready') {
      clearTimeout(this.#late)
      this.#hasServed = true
    } else if (message[0] === 'finalized') {
      this.finish()
    } else if (this.#hasServed) {
      this.terminate(message[2])
    } else {
      this.#events.failed(new Failure(message[1], message[2]))
      this.finish()
    }
  }

  #ended(reason: string): void {
    clearTimeout(this.#late)
    if (!this.#finished && this.#hasServed) {
      this.#startLater(reason)
      return
    }
    if (!this.#finished) {
      const { model } = this.#task.description
      const message = `model '${model}': the thread of its module ended before it was ready: ${reason}`
      this.#events.failed(new Failure('INTERNAL', message))
    }
    this.#finished = true
    this.#events.over()
  }

  #startLater(reason: string): void {
    const delayMs = this.#events.takeSuccess() ? 0 : this.#delayMs
    this.#delayMs = delayMs === 0 ? firstDelayMs : Math.min(2 * delayMs, longestDelayMs)
    this.#events.restarts({ reason, stack: this.#stack, delayMs })
    this.#nextStart = setTimeout(() => this.start(), delayMs).unref()
  }
}

/** Why a thread ends when nobody catches `error` in it. */
export function uncaught(error: unknown): string {
  return `nobody caught ${String(error)}`
}
