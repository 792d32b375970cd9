import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { identityConfig } from './support/identity.js'
import { createServer } from './support/trident.js'

it('onLog that throws fails as any callback, and loses no other record', async () => {
  const script = `
    import { createServer } from 'trident'
    const names = ['one', 'two', 'three']
    const uncaught = []
    process.on('uncaughtException', (error) => uncaught.push(error.message))
    const server = await createServer({
      logLevel: 'info',
      modelControl: 'explicit',
      onLog({ message }) { throw new Error(message) },
    })
    const config = ${JSON.stringify(identityConfig())}
    const files = { '1/unused': new Uint8Array(0) }
    const loads = names.map((name) => server.loadModel({ name, config, files }))
    // So that several records come in one turn.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    await Promise.all(loads)
    const begin = performance.now()
    const seen = (name) => uncaught.some((message) => message.includes("loaded '" + name + "'"))
    while (!names.every(seen) && performance.now() - begin < 20_000) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    await server.close()
    console.log(names.filter(seen).join())`
  const { code, stdout, stderr } = await runChild(script, { endsByItself: true })
  expect(stderr).toBe('')
  expect(stdout).toBe('one,two,three\n')
  expect(code).toBe(0)
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
