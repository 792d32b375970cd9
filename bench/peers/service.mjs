// What people put around onnxruntime-node: a worker thread that is sent messages, an HTTP server, a
// gRPC server. Each has its session in a worker of its own, so the event loop that asks stays free.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { measureAsync } from '../load/closed-loop.mjs'
import { isInstalled } from '../machine.mjs'
import { connectGrpc } from './grpc.mjs'
import { connectHttp } from './http.mjs'
import { connectMessages } from './messages.mjs'

const services = [
  { kind: 'messages', name: 'worker_threads + postMessage', connect: connectMessages },
  { kind: 'http', name: 'HTTP loopback', connect: connectHttp },
  { kind: 'grpc', name: 'gRPC loopback', connect: connectGrpc, needs: '@grpc/grpc-js' },
]

export function usableServices() {
  return services.filter(({ needs }) => !needs || isInstalled(needs))
}

/** Services that can't run here, and why. */
export function missingServices() {
  return services
    .filter(({ needs }) => needs && !isInstalled(needs))
    .map(({ name, needs }) => `${name} is left out: the package ${needs} is not installed`)
}

async function startWorker(kind, { onnx, input, output, itemShape }) {
  const worker = new Worker(new URL('./service-worker.mjs', import.meta.url), {
    workerData: { kind, onnx, input, output, itemShape },
  })
  const [ready] = await once(worker, 'message') // 'error' rejects
  return { worker, port: ready.port }
}

/** What `connect` gives; without it the worker would keep the process alive. */
async function connectOrEnd(connect, worker, port) {
  try {
    return await connect(worker, port)
  } catch (error) {
    await worker.terminate()
    throw error
  }
}

export async function openService({ kind, name, connect }, workload) {
  const { worker, port } = await startWorker(kind, workload)
  const { ask, close } = await connectOrEnd(connect, worker, port)
  const call = () => ask(workload.data)
  return {
    name,
    call,
    answer: call,
    measure: (outstanding, seconds) => measureAsync(call, outstanding, seconds),
    close: async () => {
      await close()
      await worker.terminate()
    },
  }
}
