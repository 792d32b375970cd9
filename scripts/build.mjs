// npm run build [native|ts]
import {
  checkNode,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  ensureTypeScript,
  runMain,
  SetupError,
} from './setup.mjs'

await runMain((args) => {
  const parts = args.length > 0 ? args : ['native', 'ts']
  const unknown = parts.find((part) => part !== 'native' && part !== 'ts')
  if (unknown) throw new SetupError(`unknown part '${unknown}': use native, ts or nothing for both`)
  checkNode()
  ensureNodeModules()
  if (parts.includes('native')) {
    ensureSystemPackages()
    ensureNative()
  }
  if (parts.includes('ts')) ensureTypeScript()
})
