// Traces in files, in Triton's JSON.
import { createWriteStream, type WriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import type { Tensor } from './tensor.js'
import type { TraceRecord } from './trace-record.js'

/** Beyond this nothing more is kept until the disk has taken what there is. */
const mostWaiting = 64 << 20

/** Writes what it is given to one file, or to one after the other, in the background. */
export class TraceFile {
  readonly #path: string
  #stream: WriteStream | null = null
  /** For the next numbered file. */
  #group: string[] = []
  #nextNumber = 0
  #waiting = 0
  #dropped = 0
  #warned = false
  readonly #writing = new Set<Promise<void>>()

  constructor(path: string) {
    this.#path = path
  }

  /** The records of one request. @param logFrequency as in TraceSettings */
  write(records: readonly TraceRecord[], logFrequency: number): void {
    const text = records.map(traceJson).join(',\n')
    if (this.#waiting + (this.#stream?.writableLength ?? 0) + text.length > mostWaiting) {
      this.#dropped++
      return
    }
    if (logFrequency > 0) {
      this.#group.push(text)
      this.#waiting += text.length
      if (this.#group.length >= logFrequency) this.#writeGroup()
      return
    }
    if (this.#stream !== null) {
      this.#stream.write(`,\n${text}`)
      return
    }
    this.#stream = createWriteStream(this.#path).on('error', (error) => this.#fail(error))
    this.#stream.write(`[${text}`)
  }

  /** Completes the files. */
  async close(): Promise<void> {
    if (this.#group.length > 0) this.#writeGroup()
    const stream = this.#stream
    if (stream !== null) {
      stream.end(']\n')
      await finished(stream).catch(() => {}) // the stream has told of it
    }
    await Promise.all(this.#writing)
    if (this.#dropped > 0) {
      this.#warn(`${this.#dropped} traces for ${this.#path} came faster than they could be written`)
    }
  }

  #writeGroup(): void {
    const text = this.#group.join(',\n')
    const size = this.#group.reduce((sum, part) => sum + part.length, 0)
    this.#group = []
    const writing = writeFile(`${this.#path}.${this.#nextNumber++}`, `[${text}]\n`)
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#waiting -= size
        this.#writing.delete(writing)
      })
    this.#writing.add(writing)
  }

  #fail(error: Error): void {
    this.#warn(`traces can't be written to ${this.#path}: ${error.message}`)
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
