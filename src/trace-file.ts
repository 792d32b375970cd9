// Traces in files, in Triton's JSON.
import { writeFile } from 'node:fs/promises'
import type { Tensor } from './tensor.js'
import type { TraceRecord } from './trace-record.js'

/** Characters; while as many wait for the disk nothing more is kept. */
const mostWaiting = 64 << 20

/** Texts to write to one file, one after the other. */
interface Writing {
  readonly path: string
  readonly texts: string[]
  /** The first of this file: what was there goes. */
  readonly begins: boolean
}

/**
 * Writes what it is given to one file, or to numbered ones, in the background. No file stays open
 * meanwhile: settings may name ever new ones.
 */
export class TraceFile {
  /** Requests whose traces were not kept. */
  dropped = 0
  readonly #path: string
  /** Files that have begun and are not complete, with the requests in them. */
  readonly #begun = new Map<string, number>()
  #number = 0
  #queue: Writing[] = []
  #waiting = 0
  #running: Promise<void> | null = null
  #failed = false
  #warned = false

  constructor(path: string) {
    this.#path = path
  }

  /** The records of one request. @param logFrequency as in TraceSettings */
  write(records: readonly TraceRecord[], logFrequency: number): void {
    if (this.#failed || this.#waiting >= mostWaiting) {
      this.dropped++
      this.#warn(`traces for ${this.#path} come faster than they can be written`)
      return
    }
    const path = logFrequency > 0 ? `${this.#path}.${this.#number}` : this.#path
    const requests = (this.#begun.get(path) ?? 0) + 1
    this.#begun.set(path, requests)
    this.#add(path, (requests === 1 ? '[' : ',\n') + records.map(traceJson).join(',\n'))
    if (logFrequency === 0 || requests < logFrequency) return
    this.#complete(path)
    this.#number++
  }

  /** Completes the files. */
  async close(): Promise<void> {
    for (const path of this.#begun.keys()) this.#complete(path)
    await this.#running
  }

  #complete(path: string): void {
    this.#add(path, ']\n')
    this.#begun.delete(path)
  }

  #add(path: string, text: string): void {
    const last = this.#queue.at(-1)
    if (last?.path === path) last.texts.push(text)
    else this.#queue.push({ path, texts: [text], begins: text.startsWith('[') })
    this.#waiting += text.length
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const queue = this.#queue
      this.#queue = []
      for (const { path, texts, begins } of queue) {
        if (!this.#failed) {
          await writeFile(path, texts, { flag: begins ? 'w' : 'a' }).catch((error: Error) => {
            this.#failed = true
            this.#warn(`traces can't be written to ${path}: ${error.message}`)
          })
        }
        for (const { length } of texts) this.#waiting -= length
      }
    }
    this.#running = null
  }

  /** Only of what goes wrong first. */
  #warn(problem: string): void {
    if (!this.#warned) process.emitWarning(problem, 'TridentWarning')
    this.#warned = true
  }
}

/** The objects that tell of one trace, with commas between them. */
export function traceJson(record: TraceRecord): string {
  const { id, parentId, requestId } = record
  const objects = [
    JSON.stringify({
      id,
      model_name: record.modelName,
      model_version: record.modelVersion,
      ...(requestId !== '' && { request_id: requestId }),
      ...(parentId !== 0 && { parent_id: parentId }),
    }),
  ]
  for (const { name, ns } of record.timestamps) {
    objects.push(`{"id":${id},"timestamps":[{"name":${JSON.stringify(name)},"ns":${ns}}]}`)
  }
  for (const { activity, name, tensor } of record.tensors ?? []) {
    const { datatype: dtype, shape } = tensor
    const described = { name, data: elementText(tensor), shape: shape.join(), dtype }
    objects.push(JSON.stringify({ id, activity, tensor: described }))
  }
  return objects.join(',\n')
}

/** As Triton has it: elements with commas between them, strings in quotes, no halves of floats. */
function elementText(tensor: Tensor): string {
  if (tensor.datatype === 'FP16' || tensor.datatype === 'BF16') return ''
  if (tensor.datatype !== 'BYTES') return (tensor.data as ArrayLike<number> & unknown[]).join()
  return tensor
    .toStrings()
    .map((element) => JSON.stringify(element))
    .join()
}
