// Model repositories of JavaScript modules.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { until } from './cuda.js'
import { esmEntry, type Model, type TridentError } from './trident.js'

/** "x" goes in, "y" comes out: vectors of any length. */
const vectors = `
  backend: "javascript"
  input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
  output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
`

interface ModuleOptions {
  /** More of the config.pbtxt. */
  config?: string
  file?: string
  version?: number
}

/** In a temporary directory, until the end of its block. */
export class ModuleRepository {
  readonly path = mkdtempSync(join(tmpdir(), 'trident-modules-'))

  /** Writes a module, which may import from 'trident', and its configuration. */
  write(model: string, source: string, options: ModuleOptions = {}): void {
    const { config = '', file = 'model.mjs', version = 1 } = options
    this.writeFile(`${model}/config.pbtxt`, `${vectors}${config}`)
    const text = source.replaceAll("from 'trident'", `from '${esmEntry}'`)
    this.writeFile(`${model}/${version}/${file}`, text)
  }

  writeFile(path: string, text: string): void {
    const file = join(this.path, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true })
  }
}

/** "y" for "x". */
export async function numbersOf(model: Model, ...x: number[]): Promise<number[]> {
  return [...((await model.infer({ x: Float32Array.from(x) })).y!.data as Float32Array)]
}

/** Asks until it gets an answer: an instance that is started anew may refuse until it serves. */
export async function served(model: Model, ...x: number[]): Promise<number[]> {
  let answer: number[] = []
  await until(async () => {
    try {
      answer = await numbersOf(model, ...x)
      return true
    } catch (error) {
      if ((error as TridentError).code !== 'UNAVAILABLE') throw error
      return false
    }
  })
  return answer
}
