// A model repository of the server's own, for models that come from elsewhere: a temporary
// directory with links to them.
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { type ErrorCode, invalid, TridentError } from './errors.js'

const made = new Set<string>()

function removeAll(): void {
  for (const path of made) removePrivateRepository(path)
}

/**
 * Removed with the server, or when the process exits.
 *
 * @throws TridentError UNAVAILABLE when there is no place for temporary files
 */
export function newPrivateRepository(): string {
  let path: string
  try {
    path = mkdtempSync(join(tmpdir(), 'trident-')) // mode 0700
  } catch (cause) {
    const message = `can't make a directory for models in '${tmpdir()}': ${messageOf(cause)}`
    throw new TridentError('UNAVAILABLE', message, { cause })
  }
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

/**
 * Makes `path`, a model's directory or model file, the model `name` of the repository.
 *
 * @returns puts back what the name stood for before
 * @throws TridentError NOT_FOUND: there is no such path; INVALID_ARG: the name or path can't be one
 */
export function linkModel(repository: string, name: string, path: string): () => void {
  if (name === '' || name !== basename(name) || name.startsWith('.')) {
    throw invalid(`'${name}' is no model name: a file name that does not begin with a dot`, name)
  }
  const target = resolve(path)
  const link = join(repository, name)
  try {
    const found = statSync(target)
    const before = linkedPath(link)
    const undo = (): void => restore(link, before)
    try {
      makeLink(link, target, found)
    } catch (cause) {
      undo()
      throw cause
    }
    return undo
  } catch (cause) {
    const message = `model '${name}' can't be taken from '${target}': ${messageOf(cause)}`
    throw new TridentError(codeOf(cause), message, { model: name, cause })
  }
}

function makeLink(link: string, target: string, found: Stats): void {
  rmSync(link, { recursive: true, force: true })
  if (found.isDirectory()) {
    symlinkSync(target, link)
    return
  }
  mkdirSync(join(link, '1'), { recursive: true })
  const extension = /\.[^.]+$/.exec(target)?.[0] ?? ''
  symlinkSync(target, join(link, '1', fileNames[extension] ?? basename(target)))
}

/** What `makeLink` was given, or null when there is no such link. */
function linkedPath(link: string): string | null {
  const found = lstatSync(link, { throwIfNoEntry: false })
  if (found === undefined) return null
  if (found.isSymbolicLink()) return readlinkSync(link)
  const version = join(link, '1')
  return readlinkSync(join(version, readdirSync(version)[0]!))
}

function restore(link: string, before: string | null): void {
  if (before !== null) {
    try {
      makeLink(link, before, statSync(before))
      return
    } catch {
      // Those files have gone meanwhile: so has the model.
    }
  }
  rmSync(link, { recursive: true, force: true })
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  ENAMETOOLONG: 'INVALID_ARG',
  ELOOP: 'INVALID_ARG',
}

function codeOf(reason: unknown): ErrorCode {
  return codes[(reason as NodeJS.ErrnoException).code ?? ''] ?? 'INTERNAL'
}
