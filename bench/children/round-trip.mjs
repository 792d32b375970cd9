// In a process of its own, whose threads it places: the offloaded lane, and a bare round trip.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'trident'
import { measureRoundTrip } from '../load/bare-round-trip.mjs'
import { measureAsync } from '../load/closed-loop.mjs'
import { measureCases } from '../load/rounds.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { answerParent, childInput } from '../programs.mjs'
import { repository, workloadOf } from '../workloads.mjs'

const { rounds, seconds, trips } = childInput()

/** The cores this process may use: [0, 1, 4] of '0-1,4'. */
function allowedCores() {
  const [, list] = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/**
 * This thread on one core, all others on the next. Left to the kernel, who wakes and who is woken
 * come to lie on one core or on two, for seconds on end, and that decides: 5 us or 50.
 */
function spreadThreads() {
  const [here, elsewhere] = allowedCores()
  if (elsewhere === undefined) return
  for (const task of readdirSync('/proc/self/task')) {
    const core = task === String(process.pid) ? here : elsewhere
    execFileSync('taskset', ['-pc', String(core), task])
  }
}

const server = await createServer({
  modelRepository: repository,
  modelControl: 'explicit',
  inlineBudget: 0, // every request goes to another thread
})
try {
  const workload = workloadOf('identity')
  const model = await server.loadModel(workload.name)
  const inputs = inputsOf(workload)
  const cases = [
    { name: 'a bare thread and back', measure: () => measureRoundTrip(trips) },
    {
      name: 'infer, offloaded',
      measure: () => measureAsync(() => model.infer(inputs), 1, seconds),
    },
  ]
  for (const { measure } of cases) await measure() // then all threads are there
  spreadThreads()
  answerParent(await measureCases(cases, (one) => one.measure(), rounds, 'round trip'))
} finally {
  await server.close()
}
