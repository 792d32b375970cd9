// The code that README shows runs as it stands, from the root of the repository.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root, runToEnd } from './child.js'

const blocks = [
  ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```js\n([\s\S]*?)^```/gm),
].map((match) => match[1] as string)

let folder: string

beforeAll(() => {
  // Inside the repository, where the package finds itself by name.
  folder = mkdtempSync(join(root, 'build', 'readme-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function execute(name: string, code: string): string {
  const file = join(folder, name)
  writeFileSync(file, code)
  const { status, stdout, stderr } = runToEnd(process.execPath, [file])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

it('has the ten lines and examples', () => {
  expect(blocks.length).toBeGreaterThan(2)
  const lines = (blocks[0] as string).split('\n').filter((line) => line.trim() !== '')
  expect(lines.length).toBeLessThanOrEqual(10)
})

it('runs the first block alone', () => {
  const labels = readFileSync(join(root, 'examples/digits/data/labels.u8'))
  expect(execute('first.mjs', blocks[0] as string)).toContain(`a ${labels[0]}`)
})

it('runs the other blocks, one after the other', () => {
  const output = execute('others.mjs', blocks.slice(1).join('\n'))
  for (const said of output.split('\n').filter(Boolean)) {
    expect(said).not.toMatch(/undefined|NaN/)
  }
})
