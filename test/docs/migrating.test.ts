// The migration pages: everything they show runs as it stands, and what was before gives the same
// answers as what comes after.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './child.js'
import { programsOf, useProgramFolder } from './guide.js'

const execute = useProgramFolder()
const labels = readFileSync(join(root, 'examples/digits/data/labels.u8'))

/** The output of all blocks of a page, as one program. */
function runPage(name: string): string {
  const blocks = programsOf(`docs/migrating/from-${name}.md`)
  expect(blocks.length).toBeGreaterThan(2)
  return execute(`${name}.mjs`, blocks.join('\n'))
}

it('from a Flask or Express handler', () => {
  const output = runPage('express')
  const digits = [...output.matchAll(/^(?:before|after {2}) ?(.*)$/gm)].map(([, found]) => found)
  expect(digits).toHaveLength(2)
  expect(digits[1]).toBe(digits[0])
  const right = digits[0]?.split(' ').filter((digit, i) => Number(digit) === labels[i])
  expect(right?.length).toBeGreaterThan(14)
  expect(output).toMatch(/^16 scans in \d+ executions$/m)
})

it('from onnxruntime-node', () => {
  const output = runPage('onnxruntime-node')
  expect(output).toContain(`before ${labels[0]}`)
  expect(output).toContain(`after  ${labels[0]}`)
  expect(output).toMatch(/^17 images in \d+ executions$/m)
})

it('from PyTriton', () => {
  const lines = runPage('pytriton').trimEnd().split('\n')
  expect(lines).toEqual([
    'Float32Array(3) [ 1, 2, 3 ]',
    'Float32Array(2) [ 1, 0 ]',
    'one',
    'after',
    'the',
    'other',
  ])
})

it('from a Triton server', () => {
  const lines = runPage('triton-server').trimEnd().split('\n')
  expect(lines).toEqual(['true image', String(labels[0]), String(labels[0])])
})
