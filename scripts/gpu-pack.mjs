// npm run pack:gpu: build/trident-gpu.tar.gz, for machines that have a GPU and its driver, glibc and
// libstdc++ as new as here, and nothing else of this: Node, what is built and the GPU suite. There:
// `tar xf trident-gpu.tar.gz`, then `trident-gpu/run test` or `trident-gpu/run bench`.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { ensureReady, outDir, root, run, runMain, SetupError, say } from './setup.mjs'

const limitBytes = 60 << 20
const work = join(root, 'build', 'gpu')
const folder = join(work, 'trident-gpu')
const archive = join(root, 'build', 'trident-gpu.tar.gz')
const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }

/** Where it lies in the tree it lies in the archive, so that nothing has to be told where. */
const copied = [
  'package.json',
  'LICENSE',
  'dist',
  'test/gpu',
  'bench/gpu',
  'bench/machine.mjs',
  'bench/paths.mjs',
  'scripts/gpu.mjs',
  'examples/cuda/models',
]
const built = [
  'trident.node',
  'libtritonserver.so',
  'trident_cuda_costs',
  'backends/identity',
  'test_backends/normalise',
]

const starter = `#!/bin/sh
# ./run test, or ./run bench
here=$(dirname "$0")
exec "$here/node" "$here/scripts/gpu.mjs" "$@"
`

function copyIn(from, path) {
  const to = join(folder, path)
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, { recursive: true })
}

/** Debug information is most of what is built. */
function stripAll(path) {
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path)) stripAll(join(path, name))
  } else {
    run('strip', ['--strip-unneeded', path], quiet)
  }
}

await runMain(() => {
  ensureReady()
  rmSync(work, { recursive: true, force: true })
  for (const path of copied) copyIn(join(root, path), path)
  for (const path of built) copyIn(join(outDir, path), join('build/Release/out', path))
  stripAll(join(folder, 'build/Release/out'))
  copyFileSync(realpathSync(process.execPath), join(folder, 'node'))
  stripAll(join(folder, 'node'))
  writeFileSync(join(folder, 'run'), starter)
  chmodSync(join(folder, 'run'), 0o755)
  run('tar', ['--use-compress-program=gzip -9', '-cf', archive, '-C', work, 'trident-gpu'])
  const { size } = statSync(archive)
  say(`${archive}: ${(size / 2 ** 20).toFixed(1)} MiB`)
  if (size > limitBytes)
    throw new SetupError(`the archive may have ${limitBytes >> 20} MiB at most`)
})
