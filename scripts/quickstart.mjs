// npm run quickstart: from a fresh clone to a trained model answering real images.
import { join } from 'node:path'
import { ensureReady, root, run, runMain } from './setup.mjs'

await runMain(() => {
  ensureReady({ runtimeOnly: true })
  run(process.execPath, [join(root, 'examples', 'digits', 'main.mjs')])
})
