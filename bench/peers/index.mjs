// Everybody who answers the same request in this run: { name, one, call, answer, measure, close }.
// `one`: takes one request at a time. `call`: starts one, if the peer lives in this process.
import { onnxRuntimeNodePeer } from './onnxruntime-node.mjs'
import { rawPeer } from './raw.mjs'
import { servicePeers } from './service.mjs'
import { tridentPeers } from './trident.mjs'

const tolerance = 1e-4
const comparedValues = 16

/** Throws unless `peers` give the numbers that the C API gives. */
async function checkAnswers(workload, peers) {
  const expected = Array.from(await peers.at(-1).answer()).slice(0, comparedValues)
  for (const peer of peers) {
    const values = Array.from(await peer.answer()).slice(0, comparedValues)
    const same =
      values.length === expected.length &&
      values.every((value, i) => Math.abs(value - expected[i]) <= tolerance)
    if (same) continue
    throw new Error(`${workload.name}: ${peer.name} gives ${values}, the C API ${expected}`)
  }
}

export async function closePeers(peers) {
  for (const peer of peers) await peer.close()
}

/** The last one is the floor. All have given the same answer. */
export async function openPeers(server, workload) {
  const peers = [
    ...(await tridentPeers(server, workload)),
    await onnxRuntimeNodePeer(workload),
    ...(await servicePeers(workload)),
    rawPeer(workload),
  ]
  try {
    await checkAnswers(workload, peers)
  } catch (error) {
    await closePeers(peers)
    throw error
  }
  return peers
}
