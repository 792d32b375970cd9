import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { root, runToEnd } from '../docs/child.js'

const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const trident = (...args: string[]) => runToEnd(process.execPath, [bin.trident, ...args])

let folder: string
let repository: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trident-types-'))
  repository = join(folder, 'models')
})
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  rmSync(repository, { recursive: true, force: true })
  cpSync(join(root, 'examples/digits/models'), repository, { recursive: true })
})

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

/** A model whose backend is not here, with everything that a declaration can have. */
function addForeign(): void {
  write('models/foreign/1/weights', '')
  write(
    'models/foreign/config.pbtxt',
    `backend: "elsewhere"
     input [{ name: "text" data_type: TYPE_STRING dims: [ -1 ] },
            { name: "top-k" data_type: TYPE_INT32 dims: [ 1 ] optional: true }]
     output [{ name: "scores" data_type: TYPE_FP16 dims: [ -1, 4 ] }]
     model_transaction_policy { decoupled: true }`,
  )
}

const digits = `    digits: {
      inputs: {
        image: { datatype: 'FP32'; shape: [number, 1, 8, 8] }
      }
      outputs: {
        logits: { datatype: 'FP32'; shape: [number, 10] }
      }
    }
`
const foreign = `    foreign: {
      inputs: {
        text: { datatype: 'BYTES'; shape: [number] }
        "top-k": { datatype: 'INT32'; shape: [1]; optional: true }
      }
      outputs: {
        scores: { datatype: 'FP16'; shape: [number, 4] }
      }
      decoupled: true
    }
`

function file(models: string, of: string): string {
  return `// Made by "trident types" of ${of}; run it again when the models change.

declare module 'trident' {
  interface ModelTypes {
${models}  }
}

export {}
`
}

describe('trident types', () => {
  it('writes what models take and give', () => {
    expect(trident('types', 'examples/digits/models')).toEqual({
      status: 0,
      stdout: file(digits, 'examples/digits/models'),
      stderr: '',
    })
  })

  it('believes the configuration of a model that can not be loaded here, and says so', () => {
    addForeign()
    const out = join(folder, 'src', 'models.d.ts')
    write('src/models.d.ts', '')
    const { status, stdout, stderr } = trident('types', repository, '--out', out)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toMatch(/^trident: model 'foreign' can't be loaded, .*config.pbtxt.*elsewhere/)
    // The same wherever it is run from.
    expect(readFileSync(out, 'utf8')).toBe(file(digits + foreign, '../models'))
  })

  it('writes the models asked for', () => {
    addForeign()
    const { stdout } = trident('types', repository, '--models', 'foreign')
    expect(stdout).toContain(`of models foreign in `)
    expect(stdout).toContain(`interface ModelTypes {\n${foreign}  }`)
    const both = trident('types', repository, '--models', 'foreign,digits,foreign')
    expect(both.stdout).toContain(`interface ModelTypes {\n${digits}${foreign}  }`)
  })

  it('writes nothing when a model can not be described', () => {
    addForeign()
    write('models/partial/1/weights', '')
    write('models/partial/config.pbtxt', 'backend: "elsewhere"')
    write('models/broken/config.pbtxt', 'backend: "identity"\nmax_batch_sice: 8')
    const out = join(folder, 'none.d.ts')
    const { status, stdout, stderr } = trident('types', repository, '--out', out)
    expect({ status, stdout, written: existsSync(out) }).toEqual({
      status: 1,
      stdout: '',
      written: false,
    })
    expect(stderr).toMatch(
      /model 'broken' can't be described: .*config.pbtxt:2:1: .*max_batch_size/,
    )
    expect(stderr).toMatch(/model 'partial' can't be described: .*elsewhere/)
  })

  it('checks a file', () => {
    const out = join(folder, 'checked.d.ts')
    const check = ['types', repository, '--out', out, '--check']
    expect(trident(...check)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/there is no/),
    })
    expect(existsSync(out)).toBe(false)
    expect(trident('types', repository, '--out', out).status).toBe(0)
    expect(trident(...check)).toEqual({ status: 0, stdout: '', stderr: '' })
    addForeign()
    expect(trident(...check)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/checked.d.ts is not what/),
    })
    expect(readFileSync(out, 'utf8')).not.toContain('foreign')
  })

  it('names what is not there', () => {
    expect(trident('types', repository, '--models', 'digits,letters')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/has no model 'letters'/),
    })
    expect(trident('types', join(folder, 'nowhere'))).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/nowhere/),
    })
  })

  it('writes what the compiler understands', () => {
    addForeign()
    write('app/package.json', '{ "type": "module" }')
    write('app/tsconfig.json', JSON.stringify({ extends: join(root, 'tsconfig.json') }))
    write(
      'app/app.ts',
      `import type { Server, Tensor } from 'trident'
       export async function app(server: Server): Promise<Tensor<'FP32', [number, number]>> {
         server.model('foreign').stream({ text: ['a'], 'top-k': Int32Array.of(1) })
         // @ts-expect-error: no such input
         server.model('foreign').stream({ texts: ['a'] })
         const { logits } = await server.model('digits').infer({ image: new Float32Array(64) })
         return logits
       }`,
    )
    mkdirSync(join(folder, 'app/node_modules'), { recursive: true })
    symlinkSync(root, join(folder, 'app/node_modules/trident'))
    expect(trident('types', repository, '--out', join(folder, 'app/models.d.ts')).status).toBe(0)
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const options = ['--typeRoots', join(root, 'node_modules/@types')]
    expect(runToEnd(process.execPath, [tsc, '-p', join(folder, 'app'), ...options])).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    })
  })
})

describe('usage', () => {
  it.each([['--help'], ['types', '--help'], ['help'], ['-h']])('%s %s', (...args) => {
    const { status, stdout, stderr } = trident(...args)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: trident types <repository>/)
  })

  it.each([
    [[], /a command is needed/],
    [['type'], /unknown command 'type'/],
    [['types'], /needs a model repository/],
    [['types', 'a', 'b'], /one repository, got also 'b'/],
    [['types', 'a', '--output', 'b'], /'--output'/],
    [['types', 'a', '--models', ''], /--models takes names/],
    [['types', 'a', '--out'], /--out/],
    [['types', 'a', '--check'], /--check needs --out/],
  ])('refuses %j', (args, message) => {
    const { status, stdout, stderr } = trident(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).toContain('Usage: trident types')
  })
})
