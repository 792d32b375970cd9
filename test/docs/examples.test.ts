import { expect, it } from 'vitest'
import { runToEnd } from './child.js'

it('examples/digits answers every image as recorded', () => {
  const { status, stdout, stderr } = runToEnd(process.execPath, ['examples/digits/main.mjs'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout.match(/accuracy {7}98\.06 % \(353 of 360\).*: ok/g)).toHaveLength(2)
  // Requests of one turn meet in the queue: none of the batches is a single image.
  const batches = [...stdout.matchAll(/batches {8}\d+ \(size x times: (.*)\)/g)]
  expect(batches).toHaveLength(2)
  for (const [, sizes] of batches) expect(sizes).toMatch(/64 x \d+/)
})
