// What is left of the event loop while models run: a 1 ms timer, counted.
import { performance } from 'node:perf_hooks'
import { inRounds } from '../load/rounds.mjs'
import { onnxRuntimeNodePeer } from '../peers/onnxruntime-node.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { workloadOf } from '../workloads.mjs'

/** How often a 1 ms timer fires in that time, and the longest it did not. */
function watchTimer(seconds) {
  return new Promise((resolve) => {
    let ticks = 0
    let worstMs = 0
    const begin = performance.now()
    let last = begin
    const timer = setInterval(() => {
      const now = performance.now()
      worstMs = Math.max(worstMs, now - last)
      last = now
      ticks += 1
    }, 1)
    setTimeout(() => {
      clearInterval(timer)
      const now = performance.now()
      // Per second of what really passed: a busy loop ends late.
      const perSecond = (ticks / (now - begin)) * 1000
      resolve({ ticks: perSecond, worstMs: Math.max(worstMs, now - last) })
    }, seconds * 1000)
  })
}

/** The timer, with `outstanding` calls going on all the time; with none for the idle reference. */
async function watchWhile(call, outstanding, seconds) {
  let running = true
  let completions = 0
  const client = async () => {
    while (running) {
      await call()
      completions += 1
    }
  }
  const clients = Promise.all(Array.from({ length: outstanding }, client))
  const begin = performance.now()
  const watched = await watchTimer(seconds)
  const perSecond = (completions / (performance.now() - begin)) * 1000
  running = false
  await clients
  return { ...watched, perSecond }
}

const outstanding = 64

async function openCases(server) {
  const [heavy, light] = ['mlp2048', 'identity-1'].map(workloadOf)
  const cases = [{ name: 'idle', key: 'idle', call: null, close: () => {} }]
  for (const [kind, workload] of [
    ['saturated', heavy],
    ['fast', light],
  ]) {
    const model = await server.loadModel(workload.name)
    const inputs = inputsOf(workload)
    const peer = await onnxRuntimeNodePeer(workload)
    cases.push({
      name: `trident, ${workload.name}`,
      key: `trident/${kind}`,
      call: () => model.infer(inputs),
      close: () => {},
    })
    cases.push({ ...peer, name: `${peer.name}, ${workload.name}`, key: `onnxruntime-node/${kind}` })
  }
  return cases
}

export async function runEventLoop({ server, plan }) {
  const cases = await openCases(server)
  const summaries = await inRounds(
    cases.map(
      ({ call }) =>
        () =>
          watchWhile(call, call ? outstanding : 0, plan.timerSeconds),
    ),
    plan.rounds,
    'event loop',
  )
  for (const { close } of cases) await close()
  const idle = summaries[0].ticks
  const facts = cases.flatMap(({ key }, i) => [
    [`timer/${key}/ticks`, summaries[i].ticks / idle],
    [`timer/${key}/worstMs`, summaries[i].worstMs],
    [`timer/${key}/perSecond`, summaries[i].perSecond],
  ])
  return {
    title: 'The event loop meanwhile',
    notes: [`A 1 ms timer while ${outstanding} calls are outstanding all the time.`],
    tables: [
      {
        title: '',
        columns: ['', 'ticks/s', '% of idle', 'worst gap ms', 'completions/s'],
        rows: cases.map(({ name }, i) => {
          const { ticks, worstMs, perSecond } = summaries[i]
          return [name, ticks, (ticks / idle) * 100, worstMs, perSecond]
        }),
      },
    ],
    facts: Object.fromEntries(facts),
  }
}
