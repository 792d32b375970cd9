// The code that README shows runs as it stands, from the root of the repository.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './child.js'
import { programsOf, useProgramFolder } from './guide.js'

const blocks = programsOf('README.md')
const execute = useProgramFolder()

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
