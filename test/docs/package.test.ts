// The package as its users get it: both module systems, types, the files.
import { publint } from 'publint'
import { expect, it } from 'vitest'
import { root, runToEnd } from './child.js'

// Nothing here runs the addon; npm under a sanitizer would only report V8's own memory.
delete process.env.LD_PRELOAD

function evaluate(...args: string[]): string {
  const { status, stdout, stderr } = runToEnd(process.execPath, args)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.trim()
}

it('offers the same names to import and require', () => {
  const print = 'console.log(Object.keys(trident).filter((k) => k !== "__esModule").sort().join())'
  const asModule = `import * as trident from 'trident'; ${print}`
  const imported = evaluate('--input-type=module', '--eval', asModule)
  const required = evaluate(
    '--input-type=commonjs',
    '--eval',
    `const trident = require('trident'); ${print}`,
  )
  expect(required).toBe(imported)
  for (const name of ['createServer', 'Tensor', 'SharedMemory', 'TridentError']) {
    expect(imported.split(',')).toContain(name)
  }
})

it('passes publint', async () => {
  const { messages } = await publint({ pkgDir: root, strict: true, pack: 'npm' })
  expect(messages).toEqual([])
})

it('publishes what users need, and no binding.gyp', () => {
  const { status, stdout } = runToEnd('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'])
  expect(status).toBe(0)
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  const needed = [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'dist/esm/index.js',
    'dist/esm/index.d.ts',
    'dist/cjs/index.js',
    'dist/cjs/package.json',
    'docs/embedding.md',
    'native/include/triton/core/tritonbackend.h',
  ]
  expect(needed.filter((path) => !paths.includes(path))).toEqual([])
  expect(paths).not.toContain('binding.gyp')
  expect(paths).not.toContain('dist/.stamp')
  expect(paths.filter((path) => /^(build|test|bench|scripts)\//.test(path))).toEqual([])
  expect(paths.filter((path) => /\.(so|node)$/.test(path))).toEqual([])
})
