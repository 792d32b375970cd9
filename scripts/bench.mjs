// npm run bench [-- --quick] [-- --models digits,mlp512] [-- --only table,slo,...]
import { join } from 'node:path'
import { ensureReady, root, run, runMain } from './setup.mjs'

await runMain((args) => {
  ensureReady()
  run(process.execPath, [join(root, 'bench', 'main.mjs'), ...args])
})
