import type { CudaTensor, Model, ModelTypes, RegionTensor, Server, SharedMemory } from 'trident'
import { Tensor } from 'trident'
import './models.js'
import { same } from './same.js'

declare const server: Server
declare const region: SharedMemory
const image = new Float32Array(64)
const digits = server.model('digits')
const pages = server.model('pages')
const counter = server.model('counter')
type Logits = Tensor<'FP32', [number, number]>

// Models by name
same<typeof digits, Model<ModelTypes['digits']>>()
same<Awaited<ReturnType<typeof load>>, Model<ModelTypes['digits']>>()
const load = () => server.loadModel('digits')
same<Awaited<ReturnType<typeof loadFile>>, Model<ModelTypes['digits']>>()
const loadFile = () => server.loadModel({ name: 'digits', path: 'digits.onnx' })
const other = server.model('other')
same<typeof other, Model>()
const named = server.model(String(process.argv[2]))
same<typeof named, Model>()
const asAny: Model = digits
await asAny.infer({ whatever: image })

// Names and datatypes of inputs
await digits.infer({ image })
await digits.infer({ image: new Tensor('FP32', image, [1, 1, 8, 8]) })
await digits.infer({ image: region.tensor('FP32', [1, 1, 8, 8]) })
// @ts-expect-error: no such input
await digits.infer({ picture: image })
// @ts-expect-error: one too many
await digits.infer({ image, picture: image })
// @ts-expect-error: one is missing
await digits.infer({})
// @ts-expect-error: another datatype
await digits.infer({ image: new Float64Array(64) })
// @ts-expect-error: another datatype, in a tensor
await digits.infer({ image: new Tensor('FP64', new Float64Array(64), [1, 1, 8, 8]) })
// @ts-expect-error: another datatype, in a region
await digits.infer({ image: region.tensor('FP64', [1, 1, 8, 8]) })
// @ts-expect-error: no tensor at all
await digits.infer({ image: 'image' })

// Ranks
// @ts-expect-error: three dimensions for four
await digits.infer({ image: new Tensor('FP32', image, [1, 8, 8]) })
// @ts-expect-error: the same in a region
await digits.infer({ image: region.tensor('FP32', [64]) })
// @ts-expect-error: nobody knows how many
await digits.infer({ image: new Tensor('FP32', image, JSON.parse('[1, 1, 8, 8]') as number[]) })

// Bare elements
const page = new Uint8Array(64)
await pages.infer({ page: new Tensor('UINT8', page, [1, 8, 8]) })
// @ts-expect-error: two dimensions are variable
await pages.infer({ page })

// Optional inputs
await pages.infer({ page: new Tensor('UINT8', page, [1, 8, 8]), hint: BigInt64Array.of(1n) })
// @ts-expect-error: the datatype of an optional one
await pages.infer({ page: new Tensor('UINT8', page, [1, 8, 8]), hint: Int32Array.of(1) })

// Results
const all = await digits.infer({ image })
same<typeof all.logits, Logits>()
same<typeof all.label, Tensor<'BYTES', [number, number]>>()
// @ts-expect-error: no such output
all.scores
const sync = digits.inferSync({ image })
same<typeof sync.logits, Logits>()

// Outputs asked for
const some = await digits.infer({ image }, { outputs: ['logits'] })
same<typeof some.logits, Logits>()
// @ts-expect-error: not asked for
some.label
const none = await digits.infer({ image }, { outputs: [] })
same<typeof none.label, Tensor<'BYTES', [number, number]>>()
const given = await digits.infer({ image }, { outputs: { logits: new Float32Array(10) } })
same<typeof given.logits, Logits>()
const device = await digits.infer({ image }, { outputs: { logits: 'device', label: true } })
same<typeof device.logits, CudaTensor<'FP32', [number, number]>>()
const filled = digits.inferSync(
  { image },
  { outputs: { logits: new Tensor('FP32', new Float32Array(10), [1, 10]) } },
)
same<typeof filled.logits, Logits>()
const placed = digits.inferSync({ image }, { outputs: { logits: region.tensor('FP32', [1, 10]) } })
same<typeof placed.logits, RegionTensor<'FP32', [number, number]>>()
// @ts-expect-error: no such output
await digits.infer({ image }, { outputs: ['scores'] })
// @ts-expect-error: no such output
await digits.infer({ image }, { outputs: { scores: true } })
// @ts-expect-error: one of two
await digits.infer({ image }, { outputs: { logits: true, scores: true } })
// @ts-expect-error: another datatype
await digits.infer({ image }, { outputs: { logits: new Float64Array(10) } })
// @ts-expect-error: another rank
digits.inferSync({ image }, { outputs: { logits: region.tensor('FP32', [10]) } })

// Prepared requests
const prepared = digits.prepare({ inputs: { image }, outputs: { logits: new Float32Array(10) } })
same<typeof prepared.outputs.logits, Logits>()
same<ReturnType<typeof run>, Logits>()
const run = () => prepared.sync().logits
// @ts-expect-error: no such input
digits.prepare({ inputs: { picture: image } })
// @ts-expect-error: no such output
digits.prepare({ inputs: { image }, outputs: { scores: new Float32Array(10) } })

// Streams
for await (const part of counter.stream({ upTo: Int32Array.of(3) })) {
  same<typeof part.count, Tensor<'INT32', [number]>>()
}
for await (const part of digits.stream({ image }, { outputs: ['logits'], errors: 'yield' })) {
  if (!(part instanceof Error)) same<typeof part.logits, Logits>()
}
// @ts-expect-error: no such input
counter.stream({ downTo: Int32Array.of(3) })
// @ts-expect-error: a decoupled model answers with a stream
await counter.infer({ upTo: Int32Array.of(3) })
// @ts-expect-error: nor can it be prepared
counter.prepare({ inputs: { upTo: Int32Array.of(3) } })

// Sequences
const sequence = digits.sequence()
same<Awaited<ReturnType<typeof next>>, Logits>()
const next = async () => (await sequence.next({ image })).logits
// @ts-expect-error: no such input
await sequence.end({ picture: image })

// Batch slots
const slots = region.batchSlots({
  inputs: { image: { datatype: 'FP32', shape: [1, 8, 8] } },
  outputs: { logits: { datatype: 'FP32', shape: [10] } },
  count: 4,
})
const slot = slots.take()
await digits.infer(slot.inputs, { outputs: slot.outputs })
const flat = region.batchSlots({ inputs: { image: { datatype: 'FP32', shape: [64] } }, count: 4 })
// @ts-expect-error: items of one dimension for three
await digits.infer(flat.take().inputs)

// Models of which nothing is known
const anything = await other.infer({ a: image, b: new Tensor('INT8', new Int8Array(1), [1]) })
same<typeof anything, Record<string, Tensor>>()
const targets = await other.infer({ a: image }, { outputs: { y: 'device', z: true } })
same<typeof targets.y, CudaTensor>()
same<typeof targets.z, Tensor>()
for await (const part of other.stream({ a: image })) same<typeof part, Record<string, Tensor>>()
// @ts-expect-error: a number is no tensor
await other.infer({ a: 1 })

// Tensors
const inline = new Tensor('FP32', image, [8, 8])
same<typeof inline, Tensor<'FP32', [number, number]>>()
const unknownRank = new Tensor('FP32', image, [8, 8] as readonly number[])
same<typeof unknownRank, Tensor<'FP32'>>()
const strings = Tensor.fromStrings(['a', 'b'])
same<typeof strings, Tensor<'BYTES', [number]>>()
const anyTensor: Tensor = inline
anyTensor.shape satisfies readonly number[]
// @ts-expect-error: shapes are fixed
inline.shape[0] = 1
declare const unknown: unknown
if (unknown instanceof Tensor) unknown.shape satisfies readonly number[]
