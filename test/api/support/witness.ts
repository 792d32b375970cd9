// The test backend whose answers can be held back.
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Model, ModelConfig, Server } from './trident.js'

/** "output" is "input", 2 numbers. */
export function loadWitness(
  server: Server,
  name: string,
  config: ModelConfig = {},
): Promise<Model> {
  const tensor = { dataType: 'TYPE_FP32' as const, dims: [2] }
  return server.loadModel({
    name,
    config: {
      backend: 'witness',
      maxBatchSize: 4,
      input: [{ name: 'input', ...tensor }],
      output: [{ name: 'output', ...tensor }],
      ...config,
    },
    files: { '1/unused': new Uint8Array(0) },
  })
}

/** Where requests with the parameters `parameters` wait. Their server must not run them inline. */
export class Gate {
  readonly #folder = mkdtempSync(join(tmpdir(), 'trident-gate-'))
  readonly parameters = { gate: join(this.#folder, 'gate') }
  #held: number | null = null

  constructor() {
    execFileSync('mkfifo', [this.parameters.gate])
  }

  /** Waits until a request is at the gate. */
  async arrived(): Promise<void> {
    while (this.#held === null) {
      try {
        this.#held = openSync(this.parameters.gate, constants.O_WRONLY | constants.O_NONBLOCK)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error // nobody reads yet
        await setImmediate()
      }
    }
  }

  /** Lets the request that has arrived go on. */
  open(): void {
    if (this.#held !== null) closeSync(this.#held)
    this.#held = null
  }

  [Symbol.dispose](): void {
    this.open()
    rmSync(this.#folder, { recursive: true })
  }
}
