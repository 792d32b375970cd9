import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { root, runToEnd } from './child.js'

/** The programs that a document shows, in order. */
export function programsOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```js\n([\s\S]*?)^```/gm)].map((match) => match[1] as string)
}

/** Runs a program from the root of the repository, where the package finds itself by name. */
export function useProgramFolder(): (name: string, code: string) => string {
  const folder = mkdtempSync(join(root, 'build', 'docs-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  return (name, code) => {
    const file = join(folder, name)
    writeFileSync(file, code)
    const { status, stdout, stderr } = runToEnd(process.execPath, [file])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return stdout
  }
}
