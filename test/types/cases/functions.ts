import type {
  BatchContext,
  Datatype,
  FunctionInputs,
  Model,
  ModelFunction,
  ModelTypes,
  RequestContext,
  Server,
  TypedConfig,
  TypeOfConfig,
} from 'trident'
import { batch, firstValue, padTo, requests, sample, Tensor } from 'trident'
import './models.js'
import { same } from './same.js'

declare const server: Server
const bind = server.bind.bind(server) as Server['bind']

const x = { datatype: 'FP32', shape: [4] } as const
const values = Float32Array.of(1, 2, 3, 4)

// Without a batch dimension
const doubled = await bind(
  { name: 'double', inputs: { x }, outputs: { y: x } },
  ({ x }, context) => {
    same<typeof x, Tensor<'FP32', [number]>>()
    same<typeof context, RequestContext>()
    return { y: x.data.map((value) => 2 * value) }
  },
)
same<Awaited<ReturnType<typeof double>>, Tensor<'FP32', [number]>>()
const double = async () => (await doubled.infer({ x: values })).y
// @ts-expect-error: no such input
await doubled.infer({ z: values })
// @ts-expect-error: no such output
await doubled.infer({ x: values }, { outputs: ['x'] })
// @ts-expect-error: two dimensions for one
await doubled.infer({ x: new Tensor('FP32', values, [1, 4]) })

// With one
const batched = await bind(
  { name: 'batched', maxBatchSize: 8, inputs: { x }, outputs: { y: x } },
  async ({ x }) => {
    same<typeof x, Tensor<'FP32', [number, number]>>()
    return { y: new Tensor('FP32', x.data, x.shape) }
  },
)
await batched.infer({ x: new Tensor('FP32', values, [1, 4]) })
// @ts-expect-error: the batch dimension is missing
await batched.infer({ x: new Tensor('FP32', values, [4]) })

// With one that only the program knows of
declare const maxBatchSize: number
const either = await bind(
  { name: 'either', maxBatchSize, inputs: { x }, outputs: { y: x } },
  (all) => {
    same<typeof all.x, Tensor<'FP32'>>()
    return { y: all.x }
  },
)
await either.infer({ x: new Tensor('FP32', values, [1, 4]) })
await either.infer({ x: new Tensor('FP32', values, [4]) })

// Variable dimensions
const grid = { datatype: 'UINT8', shape: [-1, -1] } as const
const grids = await bind({ name: 'grids', inputs: { grid }, outputs: { grid } }, ({ grid }) => ({
  grid,
}))
await grids.infer({ grid: new Tensor('UINT8', new Uint8Array(4), [2, 2]) })
// @ts-expect-error: two dimensions are variable
await grids.infer({ grid: new Uint8Array(4) })
// @ts-expect-error: nor do such elements say which shape they have
await bind({ name: 'grids', inputs: { grid }, outputs: { grid } }, ({ grid }) => ({
  grid: grid.data,
}))

// Strings, and an input that may be missing
const text = { datatype: 'BYTES', shape: [1] } as const
const greeted = await bind(
  { name: 'greet', inputs: { who: text, how: { ...text, optional: true } }, outputs: { text } },
  ({ who, how }) => {
    same<typeof how, Tensor<'BYTES', [number]> | undefined>()
    return { text: [`${how?.toStrings()[0] ?? 'Hello'}, ${who.toStrings()[0]}`] }
  },
)
await greeted.infer({ who: ['you'] })
// @ts-expect-error: this one may not
await greeted.infer({ how: ['Good morning'] })

// What functions give
const config = { name: 'f', inputs: { x }, outputs: { y: x } } as const
// @ts-expect-error: another name
await bind(config, ({ x }) => ({ z: x }))
// @ts-expect-error: another datatype
await bind(config, () => ({ y: new Float64Array(4) }))
// @ts-expect-error: another rank
await bind(config, ({ x }) => ({ y: new Tensor('FP32', x.data, [2, 2]) }))
// @ts-expect-error: nothing
await bind(config, () => {})
// @ts-expect-error: an input that there is not
await bind(config, ({ z }) => ({ y: z }))
// @ts-expect-error: another datatype, later
await bind(config, async () => ({ y: new Float64Array(4) }))

// Any number of responses
const counted = await bind(
  { ...config, modelTransactionPolicy: { decoupled: true } },
  async function* ({ x }) {
    yield { y: x }
  },
)
for await (const { y } of counted.stream({ x: values })) same<typeof y, Tensor<'FP32', [number]>>()
// @ts-expect-error: it has any number of responses
await counted.infer({ x: values })
await bind(
  config,
  // @ts-expect-error: another datatype
  function* () {
    yield { y: new Float64Array(4) }
  },
)

// Wrapped functions
const batches = { name: 'f', maxBatchSize: 8, inputs: { x }, outputs: { y: x } } as const
await bind(
  batches,
  batch(async ({ x }, context) => {
    same<typeof x, Tensor<'FP32', [number, number]>>()
    same<typeof context, BatchContext>()
    return { y: new Tensor('FP32', x.data, x.shape) }
  }),
)
await bind(
  batches,
  sample(({ x }) => {
    same<typeof x, Tensor<'FP32', [number]>>()
    return { y: x.data }
  }),
)
await bind(
  batches,
  requests((list) =>
    list.map(({ inputs }) => {
      same<typeof inputs.x, Tensor<'FP32', [number, number]>>()
      return { y: inputs.x }
    }),
  ),
)
await bind(batches, batch(padTo({ x: 0 }, ({ x }) => ({ y: x }))))
await bind(batches, batch(firstValue('x', ({ x }) => ({ y: x }))))
await bind(
  batches,
  // @ts-expect-error: another datatype
  batch(() => ({ y: new Float64Array(4) })),
)
await bind(
  batches,
  // @ts-expect-error: a batch, where an item is to be
  sample(() => ({ y: new Tensor('FP32', values, [1, 4]) })),
)
await bind(
  batches,
  // @ts-expect-error: one for all
  requests((list) => ({ y: list[0]?.inputs.x })),
)
await bind(
  batches,
  // @ts-expect-error: no such input
  batch(({ z }) => ({ y: z })),
)

// Objects and classes, one for each instance
await bind(batches, { initialize() {}, execute: ({ x }) => ({ y: x }) })
await bind(batches, { execute: batch(({ x }) => ({ y: x })) })
await bind(batches, {
  preprocess: ({ x }) => x.data.length,
  inference: (length: number) => new Float32Array(length),
  postprocess: (data: Float32Array) => ({ y: data }),
})
class Scale {
  factor = 2
  execute({ x }: { x: Tensor<'FP32', [number, number]> }) {
    return { y: x.data.map((value) => this.factor * value) }
  }
}
await bind(batches, Scale)
await bind(batches, [({ x }) => ({ y: x }), new Scale()])
// @ts-expect-error: another datatype
await bind(batches, { execute: () => ({ y: new Float64Array(4) }) })
class Wrong {
  execute({ x }: { x: Tensor<'FP64'> }) {
    return { y: x.data }
  }
}
// @ts-expect-error: another datatype
await bind(batches, Wrong)
// @ts-expect-error: nothing that executes
await bind(batches, { serve: () => ({ y: values }) })

// Modules
export const digits: ModelFunction<ModelTypes['digits']> = ({ image }) => {
  same<typeof image, Tensor<'FP32', [number, number, number, number]>>()
  return { logits: new Tensor('FP32', values, [1, 10]), label: undefined }
}
export const anything: ModelFunction = (inputs) => {
  same<typeof inputs, FunctionInputs>()
  return { y: inputs.x }
}

// Configurations that were not written inline
declare const general: TypedConfig
type General = TypeOfConfig<typeof general>
declare const someModel: Model<General>
await someModel.infer({ anything: values })
declare const datatype: Datatype
const open = await bind(
  { name: 'open', inputs: { x: { datatype, shape: [4] } }, outputs: { y: x } },
  ({ x }) => ({ y: x.data as Float32Array }),
)
await open.infer({ x: values })
