// npm run package: the npm package of this platform, as a folder.
import { join } from 'node:path'
import { makePlatformPackage, platformName } from './platform-package.mjs'
import {
  buildDir,
  checkNode,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  root,
  runMain,
  say,
} from './setup.mjs'

await runMain(() => {
  checkNode()
  ensureSystemPackages()
  ensureNodeModules()
  ensureNative({ runtimeOnly: true })
  const folder = join(root, 'build', 'package', platformName)
  makePlatformPackage(buildDir, folder)
  say(`the package is ${folder}`)
})
