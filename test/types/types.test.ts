// Every case has to compile, and every line marked @ts-expect-error has to be refused.
import { expect, it } from 'vitest'
import { runToEnd } from '../docs/child.js'

it('what the compiler accepts and refuses', () => {
  const tsc = ['node_modules/typescript/bin/tsc', '-p', 'test/types/cases']
  expect(runToEnd(process.execPath, tsc)).toEqual({ status: 0, stdout: '', stderr: '' })
})
