// What runs on machines with GPUs, run on the driver that only pretends: it is whole, and fails where
// there is no driver.
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { useFakeCuda } from './support/fake-cuda.js'
import { root } from './support/trident.js'

const fake = useFakeCuda({ devices: 2, compute: '7.0,9.0' })
/** For the example with a kernel, which loads the driver and the compiler by their usual names. */
const LD_LIBRARY_PATH = join(dirname(fake.env.TRIDENT_CUDA_LIBRARY!), 'lib')

function runGpu(args: string[], env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; output: string }>((resolve) => {
    const options = { env: { ...process.env, ...env, NODE_TEST_CONTEXT: undefined } }
    const child = execFile(
      process.execPath,
      [join(root, 'scripts/gpu.mjs'), ...args],
      options,
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    )
  })
}

function leaks() {
  return ['device', 'opened'].map((row) => fake.calls(row))
}

it('passes', async () => {
  const { code, output } = await runGpu(['test', '--test-reporter=tap'], { LD_LIBRARY_PATH })
  expect(output).toMatch(/^# fail 0$/m)
  expect(output).toMatch(/^# pass [1-9]\d+$/m)
  expect(output).toMatch(/^# skipped 0$/m)
  expect(code).toBe(0)
  expect(leaks()).toEqual([0, 0])
  expect(fake.violations()).toBe(0)
})

it('measures', async () => {
  const { code, output } = await runGpu(['bench', '--quick'])
  expect(output).toContain('region to model to region')
  expect(output).toContain("'other device'")
  expect(code).toBe(0)
  expect(leaks()).toEqual([0, 0])
  expect(fake.violations()).toBe(0)
})

it('says what is missing, and fails', async () => {
  for (const what of ['test', 'bench']) {
    const { code, output } = await runGpu([what], { TRIDENT_CUDA_LIBRARY: '/nowhere/libcuda.so.1' })
    expect(output).toContain('no GPU can be used: there is no CUDA driver library')
    expect(code).toBe(1)
  }
  expect((await runGpu(['neither'])).code).toBe(2)
})
