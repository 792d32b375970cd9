import { expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { identityConfig } from './support/identity.js'

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
