// Items and answers as messages between threads, their buffers transferred.
import { parentPort } from 'node:worker_threads'

export async function serve(answer) {
  parentPort.on('message', async ({ id, item }) => {
    const result = (await answer(item)).slice() // its own buffer can't be transferred
    parentPort.postMessage({ id, result }, [result.buffer])
  })
}

export async function connectMessages(worker) {
  const waiting = new Map()
  let count = 0
  worker.on('message', ({ id, result }) => {
    waiting.get(id)(result)
    waiting.delete(id)
  })
  const ask = (data) =>
    new Promise((resolve) => {
      const id = count++
      const item = data.slice() // the application keeps its own
      waiting.set(id, resolve)
      worker.postMessage({ id, item }, [item.buffer])
    })
  return { ask, close: () => {} }
}
