// What quickstart, test, bench and build share: bring a fresh clone to "ready to run". Each step
// checks first and does nothing when its result is already there. Only Node's own modules, since
// node_modules may not exist yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const buildDir = join(root, 'build', 'Release')
export const outDir = join(buildDir, 'out')

const minimumNode = 20

/** Something the user has to do; shown without a stack. */
export class SetupError extends Error {}

export function say(text) {
  console.log(`trident: ${text}`)
}

/** Runs `main` and turns what it throws into a message and exit code 1. */
export async function runMain(main) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof SetupError ? `trident: ${error.message}` : error)
    process.exit(1)
  }
}

/** Runs a program with its output shown; throws when it fails. */
export function run(program, args, options = {}) {
  const { status, error, signal } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
  })
  if (error) throw new SetupError(`cannot run ${program}: ${error.message}`)
  if (status !== 0) {
    const how = signal ? `was ended by ${signal}` : `ended with code ${status}`
    throw new SetupError(`${program} ${args.join(' ')} ${how}`)
  }
}

export function checkNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < minimumNode) {
    throw new SetupError(
      `Node ${minimumNode} or newer is needed, this is ${process.versions.node} (${process.execPath})`,
    )
  }
}

// System packages ---------------------------------------------------------------------------------

const systemNeeds = [
  { package: 'g++', program: 'g++' },
  { package: 'cmake', program: 'cmake' },
  { package: 'ninja-build', program: 'ninja' },
  { package: 'nlohmann-json3-dev', file: '/usr/include/nlohmann/json.hpp' },
  { package: 'libgtest-dev', file: '/usr/include/gtest/gtest.h' },
  // test/embedding finds the library with it, as programs in C do.
  { package: 'pkg-config', program: 'pkg-config' },
  // test/counts counts instructions with callgrind: they are the same on a busy machine.
  { package: 'valgrind', program: 'valgrind' },
]

function hasProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Installs the missing Debian packages, `extra` included, as root or through sudo. */
export function ensureSystemPackages(extra = []) {
  const missing = [...systemNeeds, ...extra]
    .filter((need) => (need.program ? !hasProgram(need.program) : !existsSync(need.file)))
    .map((need) => need.package)
  if (missing.length === 0) return
  const list = missing.join(' ')
  if (!hasProgram('apt-get')) {
    throw new SetupError(
      `these are missing: ${list} (Debian's names); install your system's equivalents and try again`,
    )
  }
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !hasProgram('sudo')) {
    throw new SetupError(`these packages are missing; as root, run: apt-get install -y ${list}`)
  }
  say(`installing system packages with apt-get${isRoot ? '' : ' through sudo'}: ${list}`)
  const [program, prefix] = isRoot ? ['env', []] : ['sudo', ['env']]
  const environment = 'DEBIAN_FRONTEND=noninteractive'
  try {
    run(program, [...prefix, environment, 'apt-get', 'update', '-qq'])
    const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing]
    run(program, [...prefix, environment, 'apt-get', ...install])
  } catch (error) {
    throw new SetupError(
      `installing failed (${error.message}); install these yourself and try again: ${list}`,
    )
  }
}

// Stamps ------------------------------------------------------------------------------------------

function* walk(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isDirectory()) {
    yield [path, stat]
    return
  }
  for (const name of readdirSync(path).sort()) yield* walk(join(path, name))
}

/** Changes when any file under `paths` appears, disappears, grows, shrinks or is written. */
export function fingerprint(paths, salt = '') {
  const hash = createHash('sha256').update(`${process.version} ${process.arch} ${salt}\n`)
  for (const path of paths) {
    for (const [file, stat] of walk(join(root, path))) {
      hash.update(`${file} ${stat.size} ${stat.mtimeMs}\n`)
    }
  }
  return hash.digest('hex')
}

/**
 * Calls `work` unless `stampFile` says it was done for the same inputs. The stamp belongs inside
 * the folder that the work fills, so that deleting the folder deletes the stamp.
 */
export function once(stampFile, value, work) {
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === value) return false
  rmSync(stampFile, { force: true })
  work()
  mkdirSync(dirname(stampFile), { recursive: true })
  writeFileSync(stampFile, value)
  return true
}

// Steps -------------------------------------------------------------------------------------------

export function ensureNodeModules() {
  const lock = ['package-lock.json', '.npmrc']
  const contents = createHash('sha256').update(`${process.version} ${process.arch}`)
  for (const name of lock) contents.update(readFileSync(join(root, name)))
  once(join(root, 'node_modules', '.trident-stamp'), contents.digest('hex'), () => {
    say('installing node packages (npm ci)')
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    })
  })
}

/** A build folder of another checkout (a copied or moved one) can't be continued. */
function dropForeignBuild(folder) {
  const cache = join(folder, 'CMakeCache.txt')
  if (!existsSync(cache)) return
  const home = /^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1]
  if (home !== folder) rmSync(folder, { recursive: true })
}

const nativeTests = [
  'native',
  'capi',
  'backends',
  'strategies',
  'caches',
  'repoagents',
  'contract',
  'cuda',
  'stress',
  'simulation',
  'models',
  'onnxruntime',
].map((name) => `test/${name}`)
const nativeInputs = ['CMakeLists.txt', 'native', 'bench/native', 'examples/cuda', ...nativeTests]

/** Builds everything native, or (`runtimeOnly`) what a program needs, leaving tests for later. */
export function ensureNative({ runtimeOnly = false } = {}) {
  const value = fingerprint([...nativeInputs, 'package-lock.json'])
  const stamp = (name) => join(buildDir, `.stamp-${name}`)
  if (runtimeOnly && existsSync(stamp('all')) && readFileSync(stamp('all'), 'utf8') === value)
    return
  once(stamp(runtimeOnly ? 'runtime' : 'all'), value, () => {
    dropForeignBuild(buildDir)
    say(`building native code${existsSync(outDir) ? '' : ' (some minutes the first time)'}`)
    const cmakeJs = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js')
    const common = ['--out', buildDir, '--log-level', 'warn']
    run(process.execPath, [cmakeJs, 'configure', ...common])
    const target = runtimeOnly ? ['--target', 'runtime'] : []
    run('cmake', ['--build', buildDir, ...target])
  })
}

export function ensureTypeScript() {
  const inputs = ['src', 'tsconfig.json', 'tsconfig.esm.json', 'tsconfig.cjs.json']
  once(join(root, 'dist', '.stamp'), fingerprint([...inputs, 'package-lock.json']), () => {
    say('compiling TypeScript')
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    for (const format of ['esm', 'cjs']) run(tsc, ['-p', `tsconfig.${format}.json`])
    writeFileSync(join(root, 'dist', 'cjs', 'package.json'), '{ "type": "commonjs" }\n')
  })
}

export function ensureReady(options) {
  checkNode()
  ensureSystemPackages()
  ensureNodeModules()
  ensureNative(options)
  ensureTypeScript()
}
