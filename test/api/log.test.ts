import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { identityConfig } from './support/identity.js'
import { createServer } from './support/trident.js'

it('onLog that throws fails as any callback, and loses no other record', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trident-log-'))
  try {
    for (const name of ['1', 'one', 'two', 'three']) {
      mkdirSync(join(folder, 'm', name), { recursive: true })
    }
    const tensor = (kind: string, name: string) =>
      `${kind} { name: "${name}" data_type: TYPE_FP32 dims: [ 4 ] }\n`
    writeFileSync(
      join(folder, 'm/config.pbtxt'),
      `backend: "identity"\n${tensor('input', 'INPUT0')}${tensor('output', 'OUTPUT0')}`,
    )
    const script = `
      import { createServer } from 'trident'
      const names = ['one', 'two', 'three']
      const uncaught = []
      process.on('uncaughtException', (error) => uncaught.push(error.message))
      const server = await createServer({
        modelRepository: ${JSON.stringify(folder)},
        modelControl: 'explicit',
        onLog({ message }) { throw new Error(message) },
      })
      const load = server.loadModel('m')
      // The folder is read, with a record of each directory that is no version, before the model is
      // there: all of them come in one turn.
      const there = () => { try { return server.model('m') } catch {} }
      while (!there());
      await load
      const seen = (name) => uncaught.some((message) => message.includes("directory '" + name + "'"))
      while (!names.every(seen)) await new Promise((resolve) => setImmediate(resolve))
      await server.close()
      console.log(names.filter(seen).join())`
    const { code, stdout, stderr } = await runChild(script, { endsByItself: true })
    expect(stderr).toBe('')
    expect(stdout).toBe('one,two,three\n')
    expect(code).toBe(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const files = { '1/unused': new Uint8Array(0) }

it('writes the lines of the format and level in force to logFile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trident-log-'))
  const logFile = join(folder, 'server.log')
  try {
    const server = await createServer({ logFile, logLevel: 'info', logFormat: 'ISO8601' })
    await server.loadModel({ name: 'first', config: identityConfig(), files })
    expect(server.logSettings()).toEqual({
      logLevel: 'info',
      logVerboseLevel: 1,
      logFormat: 'ISO8601',
      logFile,
    })
    expect(server.updateLogSettings({ logLevel: 'error' }).logLevel).toBe('error')
    const same = { ...server.logSettings(), logLevel: 'error' as const }
    expect(server.updateLogSettings(same)).toEqual(same)
    await server.loadModel({ name: 'second', config: identityConfig(), files })
    server.updateLogSettings({ logLevel: 'verbose', logVerboseLevel: 2, logFormat: 'default' })
    await server.loadModel({ name: 'third', config: identityConfig(), files })
    await server.close()
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n')
    const loaded = (name: string) => lines.find((line) => line.includes(`loaded '${name}'`))
    const rest = `${process.pid} \\w+\\.cc:\\d+\\] ".*"$`
    expect(loaded('first')).toMatch(
      new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ I ${rest}`),
    )
    expect(loaded('second')).toBeUndefined()
    expect(loaded('third')).toMatch(new RegExp(`^I\\d{4} \\d\\d:\\d\\d:\\d\\d\\.\\d{6} ${rest}`))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('takes log settings that there are, and leaves the file where it is', async () => {
  await using server = await createServer({ logLevel: 'silent' })
  const update = (settings: object) => () => server.updateLogSettings(settings)
  expect(update({ logFile: '/elsewhere' })).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED' }),
  )
  expect(update({ logLevle: 'info' })).toThrow("did you mean 'logLevel'?")
  expect(update({ logLevel: 'loud' })).toThrow(TypeError)
  expect(update({ logFormat: 'iso8601' })).toThrow(TypeError)
  expect(update({ logVerboseLevel: -1 })).toThrow(RangeError)
  expect(update({ logLevel: undefined })().logLevel).toBe('silent')
  const nowhere = createServer({ logFile: '/nowhere/at/all.log' })
  await expect(nowhere).rejects.toMatchObject({ code: 'INTERNAL' })
})
