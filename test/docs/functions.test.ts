// The code that docs/functions.md shows runs as it stands.
import { expect, it } from 'vitest'
import { programsOf, useProgramFolder } from './guide.js'

const execute = useProgramFolder()

it('runs all blocks, one after the other', () => {
  const blocks = programsOf('docs/functions.md')
  expect(blocks.length).toBeGreaterThan(7)
  const output = execute('functions.mjs', blocks.join('\n'))
  expect(output.split('\n').map((line) => line.replace(/Float32Array\((\d+)\) /g, ''))).toEqual([
    '[ 2, 4, 6 ]',
    'a batch of [ 3, 2 ]',
    '[ 10, 0 ] [ 200, 300 ] [ 4, 5 ]',
    '[ 10 ]',
    '[ 0 ]',
    '[ 1 ]',
    '[ 2 ]',
    '[ 2 ] [ 10 ]',
    '[ 3 ]',
    "INTERNAL model 'picky': RangeError: x is negative true",
    '',
  ])
})
