// npm run stress:isolation: the process of an isolated model ends 1,000 times, in every way; each time
// service must be back within a second.
import { join } from 'node:path'
import {
  checkNode,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  outDir,
  run,
  runMain,
} from './setup.mjs'

const ends = '1000'
const limitMs = '1000'

await runMain(() => {
  checkNode()
  ensureSystemPackages()
  ensureNodeModules()
  ensureNative()
  run(join(outDir, 'trident_isolation_stress'), [join(outDir, 'test_backends'), ends, limitMs])
})
