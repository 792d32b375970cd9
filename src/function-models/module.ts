// What the file of a model exports, as the callable that executes it.
import { join } from 'node:path'
import { Failure } from '../errors.js'
import type { InstanceDescription } from '../function-binding.js'
import { type Callable, readCallable } from './callable.js'
import { findModule } from './module-file.js'

type Exports = Readonly<Record<string, unknown>>

/**
 * @param importFile how this environment imports
 * @throws Failure: there is no such file (NOT_FOUND), it can't be imported (INTERNAL, or UNSUPPORTED
 *   for TypeScript), or it exports nothing that could execute (INVALID_ARG)
 */
export async function importCallable(
  { model, version, directory, config }: InstanceDescription,
  importFile: (path: string) => Promise<Exports>,
): Promise<Callable> {
  const named = (config.default_model_filename as string | undefined) ?? ''
  const file = findModule(model, join(directory, String(version)), named)
  let exports: Exports
  try {
    exports = await importFile(file)
  } catch (reason) {
    throw importFailure(reason, model, file)
  }
  try {
    return readCallable(exportedModel(exports, file), `what ${file} exports`)
  } catch (reason) {
    throw new Failure('INVALID_ARG', `model '${model}': ${(reason as Error).message}`)
  }
}

/** The default export, or else the module itself, as an object with the functions it names. */
function exportedModel(exports: Exports, file: string): unknown {
  if ('default' in exports) return compiledDefault(exports.default)
  if ('execute' in exports || 'inference' in exports) return { ...exports }
  const names = Object.keys(exports).map((name) => `'${name}'`)
  throw new TypeError(
    "a module exports its model by default, or functions named 'execute' or 'inference': " +
      `${file} exports ${names.join(', ') || 'nothing'}`,
  )
}

/** Compilers to CommonJS put the default export of a module beside a mark. */
function compiledDefault(exported: unknown): unknown {
  const isMarked = typeof exported === 'object' && exported !== null && '__esModule' in exported
  return isMarked && 'default' in exported ? exported.default : exported
}

function importFailure(reason: unknown, model: string, file: string): Failure {
  const isUnknownKind = (reason as { code?: unknown })?.code === 'ERR_UNKNOWN_FILE_EXTENSION'
  if (isUnknownKind && /\.[cm]?ts$/.test(file)) {
    return new Failure(
      'UNSUPPORTED',
      `model '${model}': ${file} is TypeScript, which Node ${process.version} does not run as it ` +
        'is: take Node 22.18 or later, or compile it to model.mjs',
    )
  }
  const what = `${String(reason)}${placeOf(reason)}`
  return new Failure('INTERNAL', `model '${model}': ${file} can't be imported: ${what}`)
}

/** Where in the user's files it was: the first place that the stack names. */
function placeOf(reason: unknown): string {
  const stack = reason instanceof Error ? String(reason.stack) : ''
  const [, place] = /(?:^|file:\/\/|[\s(])(\/[^\s()]+:\d+(?::\d+)?)/.exec(stack) ?? []
  return place === undefined ? '' : ` (${place})`
}
