// npm test, or a part of it: node scripts/test.mjs [native] [capi] [api]. Prepares what it needs.
import { buildDir, ensureReady, runMain, SetupError } from './setup.mjs'
import { runApi, runNative, summarise } from './suites.mjs'

const suites = {
  native: () => runNative(buildDir, { capi: false }),
  capi: () => runNative(buildDir, { capi: true }),
  api: () => runApi(),
}

await runMain((args) => {
  const wanted = args.length > 0 ? args : Object.keys(suites)
  const unknown = wanted.find((name) => !Object.hasOwn(suites, name))
  if (unknown) {
    throw new SetupError(`unknown suite '${unknown}': there are ${Object.keys(suites).join(', ')}`)
  }
  ensureReady()
  summarise(wanted.flatMap((name) => suites[name]()))
})
