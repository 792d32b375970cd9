// HTTP on the loopback interface: binary bodies, connections kept alive.
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { bytesOf, numbersOf } from './bytes.mjs'

async function readBody(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

export async function serve(answer) {
  const infer = async (asked, reply) => {
    try {
      const result = bytesOf(await answer(numbersOf(await readBody(asked))))
      reply.writeHead(200, { 'content-length': result.length })
      reply.end(result)
    } catch (error) {
      reply.writeHead(500)
      reply.end(String(error))
    }
  }
  // A connection that was idle while others were measured must still be there.
  const server = createServer({ keepAliveTimeout: 0 }, infer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

export async function connectHttp(_worker, port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const options = { host: '127.0.0.1', port, method: 'POST', path: '/', agent }
  const ask = (data) =>
    new Promise((resolve, reject) => {
      const headers = { 'content-length': data.byteLength }
      const asked = request({ ...options, headers }, (reply) => {
        readBody(reply)
          .then((body) => {
            if (reply.statusCode === 200) resolve(numbersOf(body))
            else reject(new Error(`HTTP ${reply.statusCode}: ${body}`))
          })
          .catch(reject)
      })
      asked.on('error', reject)
      asked.end(bytesOf(data))
    })
  return { ask, close: () => agent.destroy() }
}
