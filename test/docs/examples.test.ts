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

it('examples/ensemble turns every scan into the recorded digit', () => {
  const { status, stdout, stderr } = runToEnd(process.execPath, ['examples/ensemble/main.mjs'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/accuracy {2}98\.06 % \(353 of 360\), every answer as recorded: ok/)
  for (const model of ['classify', 'normalise', 'digits', 'top1']) {
    expect(stdout).toMatch(new RegExp(`${model} +360 images in \\d+ executions`))
  }
})

it('examples/digit-rows reads every image as recorded, with both strategies', () => {
  const { status, stdout, stderr } = runToEnd(process.execPath, ['examples/digit-rows/main.mjs'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout.match(/accuracy {4}96\.39 % \(347 of 360\).*: ok/g)).toHaveLength(2)
  expect(stdout.match(/2880 rows of 360 images at once/g)).toHaveLength(2)
})

it('examples/page-reader reads pages in three ways, alike', () => {
  const { status, stdout, stderr } = runToEnd(process.execPath, ['examples/page-reader/main.mjs'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  for (const where of ['this process', 'own processes']) {
    for (const way of ['ensemble', 'code', 'host']) {
      expect(stdout).toMatch(new RegExp(`^${way} +${where} +1955 \\(97\\.75 %\\)`, 'm'))
    }
  }
  expect(stdout).toMatch(/the same answers everywhere: ok/)
})
