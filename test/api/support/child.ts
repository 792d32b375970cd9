import { spawn } from 'node:child_process'
import { esmEntry } from './trident.js'

export interface ChildResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/**
 * Runs `script`, an ES module that may import from 'trident', in a Node process of its own.
 * `onLine` sees each line of its output and may answer.
 */
export function runChild(
  script: string,
  options: {
    args?: string[]
    nodeArgs?: string[]
    /** Beside what this process has. */
    env?: NodeJS.ProcessEnv
    /** The program ends by itself: under a sanitizer nothing of ours may be left allocated. */
    endsByItself?: boolean
    onLine?: (
      line: string,
      child: { kill(signal: NodeJS.Signals): void; send(text: string): void },
    ) => void
  } = {},
): Promise<ChildResult> {
  const source = script.replaceAll("from 'trident'", `from '${esmEntry}'`)
  const child = spawn(
    process.execPath,
    [
      ...(options.nodeArgs ?? []),
      '--input-type=module',
      '-e',
      source,
      '--',
      ...(options.args ?? []),
    ],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 120_000,
      env: { ...environment(options.endsByItself), ...options.env },
    },
  )
  let stdout = ''
  let stderr = ''
  let partial = ''
  const handle = {
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    send: (text: string) => void child.stdin.write(`${text}\n`),
  }
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
    partial += chunk
    const lines = partial.split('\n')
    partial = lines.pop() ?? ''
    for (const line of lines) options.onLine?.(line, handle)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  child.stdin.on('error', () => {}) // it may end before it reads
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

/** A program that is ended from within leaves all its memory, V8's own included. */
function environment(endsByItself = false): NodeJS.ProcessEnv {
  const { ASAN_OPTIONS: asan, ...rest } = process.env
  if (asan === undefined || endsByItself) return process.env
  return { ...rest, ASAN_OPTIONS: `${asan}:detect_leaks=0` }
}
