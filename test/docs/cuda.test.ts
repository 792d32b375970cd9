// The code that docs/cuda.md shows runs as it stands, where there is a driver.
import { expect, it } from 'vitest'
import { useFakeCuda } from '../api/support/fake-cuda.js'
import { programsOf, useProgramFolder } from './guide.js'

const fake = useFakeCuda()
const execute = useProgramFolder()

it('runs all blocks, one after the other', () => {
  const blocks = programsOf('docs/cuda.md')
  expect(blocks.length).toBeGreaterThan(5)
  const output = execute('cuda.mjs', blocks.join('\n'))
  expect(output).toMatch(/^CUDA driver .*\ndevice 0: /)
  expect(output).not.toMatch(/undefined|NaN/)
  expect(output.match(/\[ ?1, 2, 3, 4 ?\]/g)?.length).toBeGreaterThanOrEqual(3)
  expect(fake.calls('device')).toBe(0)
  expect(fake.calls('opened')).toBe(0)
  expect(fake.violations()).toBe(0)
})
