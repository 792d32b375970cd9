// A GPU that is lost, as JavaScript sees it. What becomes of models is tested with the core.
import { expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { useFakeCuda } from './support/fake-cuda.js'
import { testBackends } from './support/repeat.js'
import { createServer, type DeviceEvent, type ModelConfig } from './support/trident.js'

const fake = useFakeCuda()

const onGpu = (gpu: number): ModelConfig => ({
  backend: 'device',
  input: [{ name: 'input', dataType: 'TYPE_FP32', dims: [2] }],
  output: [{ name: 'output', dataType: 'TYPE_FP32', dims: [2] }],
  instanceGroup: [{ kind: 'KIND_GPU', count: 1, gpus: [gpu] }],
})

it('is told to onDeviceEvent, once, and the model says why it is UNAVAILABLE', async () => {
  const events: DeviceEvent[] = []
  let tell = () => {}
  const told = new Promise<void>((resolve) => {
    tell = resolve
  })
  await using server = await createServer({
    backendDirectory: testBackends,
    logLevel: 'silent',
    onDeviceEvent: (event) => {
      events.push(event)
      tell()
    },
  })
  const files = { '1/unused': new Uint8Array(0) }
  const lost = await server.loadModel({ name: 'lost', config: onGpu(1), files })
  const other = await server.loadModel({ name: 'other', config: onGpu(0), files })
  const input = Float32Array.of(1, 2)
  await lost.infer({ input })
  expect(events).toEqual([])

  fake.lose(1)
  await expectFailure(() => lost.infer({ input }, { parameters: { fail: 'so' } }), 'INTERNAL', 'so')
  const { message } = await expectFailure(() => lost.infer({ input }), 'UNAVAILABLE')
  expect(message).toMatch(/model 'lost'.*device 1.*CUDA_ERROR_ILLEGAL_ADDRESS/)
  const reason = expect.stringContaining('CUDA_ERROR_ILLEGAL_ADDRESS')
  await told
  expect(events).toEqual([{ deviceId: 1, reason }])
  expect(await server.ready()).toBe(false)
  expect(await server.modelReady('lost')).toBe(false)
  expect(await server.modelReady('other')).toBe(true)
  expect((await other.infer({ input })).output.data).toEqual(input)
  expect(await server.index()).toContainEqual(
    expect.objectContaining({ name: 'lost', state: 'UNAVAILABLE', reason }),
  )
  expect(await server.metrics()).toMatch(/trident_gpu_lost\{gpu_uuid="GPU-[^"]+"\} 1/)
})
