// Has device memory for another process: prints its handle, and to each line what it holds.
import { createInterface } from 'node:readline'
import { floatsOf, memoryWith } from './support.mjs'

const floats = Float32Array.from(JSON.parse(process.argv[3]))
const memory = await memoryWith(floats, { byteSize: Number(process.argv[2]) })
console.log(memory.ipcHandle.toString('base64'))
for await (const _ of createInterface(process.stdin)) {
  console.log(JSON.stringify([...(await floatsOf(memory, floats.length))]))
}
memory.close()
