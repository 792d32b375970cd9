// What is left of the event loop while models run: a 1 ms timer, counted.
import { performance } from 'node:perf_hooks'
import { measureCases } from '../load/rounds.mjs'
import { closePeers } from '../peers/index.mjs'
import { onnxRuntimeNodePeer } from '../peers/onnxruntime-node.mjs'
import { inputsOf } from '../peers/trident.mjs'
import { tableOf } from '../report/format.mjs'
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

async function openCases(server, kind, workload) {
  const model = await server.loadModel(workload.name)
  const inputs = inputsOf(workload)
  const peer = await onnxRuntimeNodePeer(workload)
  return [
    {
      name: `trident, ${workload.name}`,
      key: `trident/${kind}`,
      call: () => model.infer(inputs),
      close: () => {},
    },
    { ...peer, name: `${peer.name}, ${workload.name}`, key: `onnxruntime-node/${kind}` },
  ]
}

async function measureAll(server, plan) {
  const cases = [{ name: 'idle', key: 'idle', call: null, close: () => {} }]
  try {
    cases.push(...(await openCases(server, 'saturated', workloadOf('mlp2048'))))
    cases.push(...(await openCases(server, 'fast', workloadOf('onnx-identity-1'))))
    const measure = ({ call }) => watchWhile(call, call ? outstanding : 0, plan.timerSeconds)
    return await measureCases(cases, measure, plan.rounds, 'event loop')
  } finally {
    await closePeers(cases)
  }
}

export async function runEventLoop({ server, plan }) {
  const rows = await measureAll(server, plan)
  const idle = rows[0].ticks
  const facts = rows.flatMap(({ key, ticks, worstMs, perSecond }) => [
    [`timer/${key}/ticks`, ticks / idle],
    [`timer/${key}/worstMs`, worstMs],
    [`timer/${key}/perSecond`, perSecond],
  ])
  return {
    title: 'The event loop meanwhile',
    notes: [`A 1 ms timer while ${outstanding} calls are outstanding all the time.`],
    tables: [
      tableOf('', rows, {
        '': 'name',
        'ticks/s': 'ticks',
        '% of idle': ({ ticks }) => (ticks / idle) * 100,
        'worst gap ms': 'worstMs',
        'completions/s': 'perSecond',
      }),
    ],
    facts: Object.fromEntries(facts),
  }
}
