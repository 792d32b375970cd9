// node scripts/gpu.mjs test|bench: on the GPUs there are. Runs what is built, and prepares nothing,
// so that it works on a machine that has only the product.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cudaReport } from '../dist/esm/index.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const programs = {
  test: (args) => ['--test', ...args, ...testFiles(join(root, 'test/gpu'))],
  bench: (args) => [join(root, 'bench/gpu/main.mjs'), ...args],
}

function testFiles(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.test.mjs'))
  return names.sort().map((name) => join(folder, name))
}

const [what, ...args] = process.argv.slice(2)
const program = programs[what]
const report = cudaReport()
console.log(String(report))
if (program === undefined) {
  console.error('usage: node scripts/gpu.mjs test|bench')
  process.exitCode = 2
} else if (report.problem !== null) {
  process.exitCode = 1
} else {
  const { status } = spawnSync(process.execPath, program(args), { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
