// Modules that run in the server's own environment.
import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import moduleDir from '../module-dir.cjs'

type ImportModule = typeof import('./import-module.cjs')

const requireFrom = createRequire(join(moduleDir, 'index.js'))
const importModule = requireFrom('../esm/function-models/import-module.cjs') as ImportModule

let loads = 0

/**
 * Imports a file as it is now. What it imports itself is taken from what this environment has
 * imported before.
 */
export function importAnew(file: string): Promise<Record<string, unknown>> {
  const path = realpathSync(file)
  delete requireFrom.cache[path] // where CommonJS modules are found by their path alone
  return importModule(`${pathToFileURL(path).href}?load=${++loads}`)
}
