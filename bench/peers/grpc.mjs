// gRPC on the loopback interface: one unary method whose messages are plain bytes.
import { bytesOf, numbersOf } from './bytes.mjs'

const path = '/bench.Model/Infer'
const asIs = (bytes) => bytes
const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 }

/** Only where gRPC is used: the package may be missing. */
const load = async () => (await import('@grpc/grpc-js')).default

export async function serve(answer) {
  const grpc = await load()
  const server = new grpc.Server(options)
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
  const infer = async ({ request }, reply) => {
    try {
      reply(null, bytesOf(await answer(numbersOf(request))))
    } catch (error) {
      reply(error)
    }
  }
  server.addService({ Infer: method }, { Infer: infer })
  const credentials = grpc.ServerCredentials.createInsecure()
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
      error ? reject(error) : resolve(port),
    )
  })
}

export async function connectGrpc(_worker, port) {
  const grpc = await load()
  const credentials = grpc.credentials.createInsecure()
  const client = new grpc.Client(`127.0.0.1:${port}`, credentials, options)
  const ask = (data) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, asIs, asIs, bytesOf(data), (error, reply) =>
        error ? reject(error) : resolve(numbersOf(reply)),
      )
    })
  return { ask, close: () => client.close() }
}
