// The application's own packages.
import { join } from 'node:path'
import moduleDir from './module-dir.cjs'

/**
 * Files to resolve its packages from: its program decides which copy its own code uses. Never the
 * working directory, which may be anybody's.
 */
export function applicationFiles(): string[] {
  const ours = join(moduleDir, 'index.js')
  return process.argv[1] ? [process.argv[1], ours] : [ours]
}
