import { join } from 'node:path'
import moduleDir from '../module-dir.cjs'

/** The program, with its arguments, of the processes of isolated functions. */
export function isolatedProgram(nativeBinding: string): readonly string[] {
  const host = join(moduleDir, '../esm/function-models/isolated-host.js')
  const run = [process.execPath, ...inheritedFlags(process.execArgv), host, nativeBinding]
  // In Electron the program is Node as well, if it is told so.
  return process.versions.electron ? ['/usr/bin/env', 'ELECTRON_RUN_AS_NODE=1', ...run] : run
}

// What says what this process is to run, or takes a port or a terminal for itself.
const ownFlag =
  /^(-e|-p|-pe|-c|-i|--(eval|print|check|interactive|input-type|run|(experimental-)?entry-url|(inspect|debug-port|test|experimental-test|watch)(-[^=]*)?)(=.*)?)$/

/** The flags of Node that its processes take over, such as loaders, conditions and limits. */
export function inheritedFlags(flags: readonly string[]): string[] {
  const inherited: string[] = []
  let own = false
  for (const flag of flags) {
    // What is no flag is the value of the one before.
    if (flag.startsWith('-')) own = ownFlag.test(flag)
    if (!own) inherited.push(flag)
  }
  return inherited
}
