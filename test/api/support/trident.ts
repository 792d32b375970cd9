// The package as it ships: tests run what users run.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export * from '../../../dist/esm/index.js'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
export const esmEntry = join(root, 'dist/esm/index.js')
export const cjsEntry = join(root, 'dist/cjs/index.js')
/** Sanitizers make everything many times slower. */
export const sanitized = process.env.TRIDENT_SANITIZER !== undefined
