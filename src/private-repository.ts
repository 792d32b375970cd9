// A model repository of the server's own, for models that come from elsewhere: a temporary
// directory with links to them.
import { lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { invalid, TridentError } from './errors.js'

export function newPrivateRepository(): string {
  return mkdtempSync(join(tmpdir(), 'trident-')) // mode 0700
}

/** Model files whose name the backend would not look for. */
const fileNames: Readonly<Record<string, string>> = { '.onnx': 'model.onnx' }

/** Makes `path`, a model's directory or model file, the model `name` of the repository. */
export function linkModel(repository: string | null, name: string, path: string): void {
  if (repository === null) {
    throw new TridentError(
      'UNAVAILABLE',
      `model '${name}' can't be loaded from a path: the model control mode is not 'explicit'`,
    )
  }
  if (name === '' || name !== basename(name) || name.startsWith('.')) {
    throw invalid(`'${name}' is no model name: a file name that does not begin with a dot`, name)
  }
  const target = resolve(path)
  const found = statSync(target, { throwIfNoEntry: false })
  if (!found) {
    throw new TridentError('NOT_FOUND', `model '${name}': there is no '${target}'`, { model: name })
  }
  const link = join(repository, name)
  if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link, { recursive: true })
  if (found.isDirectory()) {
    symlinkSync(target, link)
    return
  }
  mkdirSync(join(link, '1'), { recursive: true })
  const extension = /\.[^.]+$/.exec(target)?.[0] ?? ''
  symlinkSync(target, join(link, '1', fileNames[extension] ?? basename(target)))
}
