// A model repository of the server's own, for models that come from elsewhere: a temporary
// directory with links to them.
import { lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { invalid, TridentError } from './errors.js'

const made = new Set<string>()

function removeAll(): void {
  for (const path of made) removePrivateRepository(path)
}

/** Removed with the server, or when the process exits. */
export function newPrivateRepository(): string {
  const path = mkdtempSync(join(tmpdir(), 'trident-')) // mode 0700
  if (made.size === 0) process.once('exit', removeAll)
  made.add(path)
  return path
}

export function removePrivateRepository(path: string): void {
  made.delete(path)
  if (made.size === 0) process.off('exit', removeAll)
  rmSync(path, { recursive: true, force: true })
}

/** Model files whose name the backend would not look for. */
const fileNames: Readonly<Record<string, string>> = { '.onnx': 'model.onnx' }

/** Makes `path`, a model's directory or model file, the model `name` of the repository. */
export function linkModel(repository: string, name: string, path: string): void {
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
