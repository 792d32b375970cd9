// Other processes that measure: native programs of the build, and scripts of this folder. Each
// prints one JSON value.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { out, root } from './paths.mjs'

const execute = promisify(execFile)

/** What a program that failed says about it, without the stack of a script. */
function reasonOf({ stderr, message }) {
  const lines = (stderr ?? '').split('\n').filter((line) => line.trim() !== '')
  return lines.find((line) => /^\w*Error: /.test(line)) ?? lines.at(-1) ?? message
}

async function outputOf(name, program, args) {
  const options = { maxBuffer: 1 << 26, cwd: root }
  const { stdout } = await execute(program, args, options).catch((error) => {
    throw new Error(`${name}: ${reasonOf(error)}`)
  })
  return JSON.parse(stdout)
}

/** @param settings { key: value } becomes --key value */
export function runProgram(name, settings) {
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)])
  return outputOf(name, join(out, name), args)
}

/** Runs bench/children/<name>.mjs with `input` as its one argument, in JSON. */
export function runChild(name, input, nodeOptions = []) {
  const script = join(root, 'bench', 'children', `${name}.mjs`)
  return outputOf(`${name}.mjs`, process.execPath, [...nodeOptions, script, JSON.stringify(input)])
}

/** What a child was given, and how it answers. */
export const childInput = () => JSON.parse(process.argv[2])
export const answerParent = (value) => process.stdout.write(JSON.stringify(value))
