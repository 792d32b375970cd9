// The npm package of this platform: the installed tree of the C library, with the addon at its top.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './setup.mjs'

export const platformName = `trident-linux-${process.arch}-gnu`

const readme = `# ${platformName}

What the package trident runs on this platform. For C and C++ it is also
an installed tree: CMAKE_PREFIX_PATH or PKG_CONFIG_PATH may name it.
`

function manifest() {
  const { version, description, license, engines } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  return {
    name: platformName,
    version,
    description,
    license,
    main: 'trident.node',
    engines,
    os: ['linux'],
    cpu: [process.arch],
    libc: ['glibc'],
  }
}

/** Fills `folder` anew out of the build in `buildFolder`. */
export function makePlatformPackage(buildFolder, folder) {
  rmSync(folder, { recursive: true, force: true })
  const install = ['--install', buildFolder, '--prefix', folder, '--strip']
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
  run('cmake', install, quiet)
  run('cmake', [...install, '--component', 'node'], quiet)
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`)
  writeFileSync(join(folder, 'README.md'), readme)
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
}
