// Everybody who answers the same request in this run: { name, one, call, runSync, answer, measure,
// close }. `one`: takes one request at a time. `call` starts one and gives a promise, `runSync`
// answers at once; the raw C API, in a process of its own, has neither.
import { checkSame } from '../answers.mjs'
import { onnxRuntimeNodePeer } from './onnxruntime-node.mjs'
import { rawPeer } from './raw.mjs'
import { openService, usableServices } from './service.mjs'
import { tridentPeers } from './trident.mjs'

/** Throws unless `peers` give the numbers that the last one, the C API, gives. */
async function checkAnswers(workload, peers) {
  const answers = []
  for (const { name, answer } of peers) answers.push({ name, values: await answer() })
  checkSame(workload.name, answers)
}

/** Also those after one that fails to close. */
export async function closePeers(peers) {
  await Promise.allSettled(peers.map(async ({ close }) => close()))
}

/** The last one is the floor. All have given the same answer. */
export async function openPeers(server, workload) {
  const peers = []
  try {
    peers.push(...(await tridentPeers(server, workload)))
    peers.push(await onnxRuntimeNodePeer(workload))
    for (const service of usableServices()) peers.push(await openService(service, workload))
    peers.push(rawPeer(workload))
    await checkAnswers(workload, peers)
    return peers
  } catch (error) {
    await closePeers(peers)
    throw error
  }
}
