// Another process that makes frames: into a shared-memory region, or as bytes in a message.
import { SharedMemory } from 'trident'

let region = null
let view = null

function fill(numbers, frame) {
  numbers.fill(frame)
}

process.on('message', ({ kind, key, byteSize, frame }) => {
  if (kind === 'open') {
    region = SharedMemory.open(key)
    view = new Float32Array(region.view().buffer, 0, byteSize / 4)
    process.send({})
  } else if (kind === 'region') {
    fill(view, frame)
    process.send({})
  } else {
    const bytes = new Float32Array(byteSize / 4)
    fill(bytes, frame)
    process.send({ bytes })
  }
})
