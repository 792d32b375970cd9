// An installed tree in a folder of its own, and what builds and runs programs against it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../docs/child.js'

/** The folder of everything that a file of tests makes. */
export const scratch = mkdtempSync(join(tmpdir(), 'trident-embedding-'))
/** The npm package of this platform, where an application has it. */
export const tree = join(scratch, 'node_modules', `trident-linux-${process.arch}-gnu`)

const binding = process.env.TRIDENT_NATIVE_BINDING
export const buildFolder = binding ? dirname(dirname(binding)) : join(root, 'build', 'Release')
const preload = process.env.LD_PRELOAD
// Makefiles need a program more.
process.env.CMAKE_GENERATOR = 'Ninja'
// A sanitizer of Node's, which compilers and programs of C must not load.
delete process.env.LD_PRELOAD

const sanitizers: Record<string, string> = { asan: 'address,undefined', tsan: 'thread' }
const sanitizer = sanitizers[process.env.TRIDENT_SANITIZER ?? '']
/** Programs and the library they use have the same sanitizer, or none. */
export const compilerFlags = sanitizer ? [`-fsanitize=${sanitizer}`] : []

/** Runs a program in `scratch` to its end; it must say nothing on stderr. */
export function execute(
  program: string,
  args: string[],
  env: Record<string, string | undefined> = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: scratch,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, ...env },
  })
  if (error) throw error
  if (status !== 0 || stderr !== '') {
    throw new Error(`${program} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  }
  return stdout
}

/** Runs code of an application that has installed Trident, and nothing else to find an addon by. */
export function executeNode(code: string, env: Record<string, string> = {}): string {
  return execute(process.execPath, ['--input-type=module', '--eval', code], {
    ...env,
    LD_PRELOAD: preload,
    TRIDENT_NATIVE_BINDING: undefined,
  })
}

export async function makeTree(): Promise<void> {
  const script = pathToFileURL(join(root, 'scripts', 'platform-package.mjs')).href
  const { makePlatformPackage } = await import(/* @vite-ignore */ script)
  const first = join(scratch, 'node_modules', 'elsewhere')
  makePlatformPackage(buildFolder, first)
  renameSync(first, tree)
}

export function removeScratch(): void {
  rmSync(scratch, { recursive: true })
}
