// Which file of a model is its code.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../errors.js'

const usualNames = ['model.mjs', 'model.js', 'model.ts']

/**
 * The file with the code of a model's version.
 *
 * @param named what the configuration says (`default_model_filename`); '' when it says nothing
 * @throws Failure NOT_FOUND: the version has no such file
 */
export function findModule(model: string, versionDirectory: string, named: string): string {
  const names = named === '' ? usualNames : [named]
  for (const name of names) {
    const path = join(versionDirectory, name)
    if (existsSync(path)) return path
  }
  throw new Failure(
    'NOT_FOUND',
    `model '${model}' has no ${names.join(', ')} in ${versionDirectory}`,
  )
}
