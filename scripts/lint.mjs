// npm run lint, npm run format (= --write): Biome for TypeScript, JavaScript and JSON,
// clang-format for C and C++, the type checker.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkNode, ensureNodeModules, ensureSystemPackages, root, run, runMain } from './setup.mjs'

const cFolders = ['native', 'test', 'bench/native', 'examples']

function cFiles() {
  return cFolders.flatMap((folder) => {
    try {
      return readdirSync(join(root, folder), { recursive: true })
        .filter((name) => /\.(h|cc|c)$/.test(name))
        .map((name) => join(folder, name))
    } catch {
      return []
    }
  })
}

await runMain((args) => {
  const write = args.includes('--write')
  checkNode()
  ensureNodeModules()
  ensureSystemPackages([{ package: 'clang-format', program: 'clang-format' }])
  const bin = (name) => join(root, 'node_modules', '.bin', name)
  const style = '--style=file:native/.clang-format'
  run(bin('biome'), ['check', ...(write ? ['--write'] : []), '.'])
  run('clang-format', [style, ...(write ? ['-i'] : ['--dry-run', '--Werror']), ...cFiles()])
  if (!write) run(bin('tsc'), ['-p', 'tsconfig.json'])
})
