// What a waiting request costs its scheduler, in a short queue and in a long one.
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const program = join(root, 'build', 'Release', 'out', 'trident_queue_cost')

/** What the longest queue may cost, in terms of the shortest. */
const limit = 1.5

export async function runQueue({ rounds }) {
  const { stdout } = await promisify(execFile)(program, ['--rounds', String(rounds * 2 - 1)])
  const rows = JSON.parse(stdout)
  const ratio = rows.at(-1).ns / rows[0].ns
  console.log('\nenqueue and take, with priorities and timeouts')
  console.log(`  ${'requests waiting'.padEnd(34)}${'ns each'.padStart(12)}`)
  for (const { length, ns } of rows) {
    console.log(`  ${String(length).padEnd(34)}${ns.toFixed(1).padStart(12)}`)
  }
  console.log(
    `  ${'longest to shortest'.padEnd(34)}${ratio.toFixed(2).padStart(12)}  (limit ${limit})`,
  )
  return { rows, ratio, limit }
}
