// Where things are: the repository, what is built, and what the benchmark writes.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const out = join(root, 'build', 'Release', 'out')
export const testBackends = join(out, 'test_backends')
export const scratch = join(root, 'build', 'bench')
export const results = join(root, 'bench', 'results')
