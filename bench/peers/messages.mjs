// Items and answers as messages between threads, their buffers transferred.
import { parentPort } from 'node:worker_threads'

export async function serve(answer) {
  parentPort.on('message', async ({ id, item }) => {
    try {
      const result = (await answer(item)).slice() // its own buffer can't be transferred
      parentPort.postMessage({ id, result }, [result.buffer])
    } catch (error) {
      parentPort.postMessage({ id, error: String(error) })
    }
  })
}

export async function connectMessages(worker) {
  const waiting = new Map()
  let count = 0
  worker.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) resolve(result)
    else reject(new Error(error))
  })
  const ask = (data) =>
    new Promise((resolve, reject) => {
      const id = count++
      const item = data.slice() // the application keeps its own
      waiting.set(id, { resolve, reject })
      worker.postMessage({ id, item }, [item.buffer])
    })
  return { ask, close: () => {} }
}
