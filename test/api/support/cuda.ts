import { expect } from 'vitest'
import type { FakeCuda } from './fake-cuda.js'
import { type IdentityOptions, loadIdentity } from './identity.js'
import type { CudaMemory, Model, Server } from './trident.js'

/** An identity model that runs on one GPU. */
export function loadGpuIdentity(
  server: Server,
  name: string,
  { config, ...options }: IdentityOptions = {},
  gpu = 0,
): Promise<Model> {
  const instanceGroup = [{ kind: 'KIND_GPU' as const, count: 1, gpus: [gpu] }]
  return loadIdentity(server, name, { ...options, config: { instanceGroup, ...config } })
}

/** Copies between host and devices so far. */
export function hostCopies(fake: FakeCuda): number {
  return fake.calls('cuMemcpyHtoDAsync_v2') + fake.calls('cuMemcpyDtoHAsync_v2')
}

/** Turns the event loop until `condition` holds; the test's timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits until so many are left of what a row counts: memory is freed some time after its last use. */
export function untilLeft(fake: FakeCuda, row: 'device' | 'opened', count = 0): Promise<void> {
  return until(() => fake.calls(row) === count)
}

export async function floatsIn(memory: CudaMemory, count: number, offset = 0): Promise<number[]> {
  const found = new Float32Array(count)
  await memory.read(offset, found)
  return [...found]
}

export async function expectFloats(memory: CudaMemory, floats: number[], offset = 0) {
  expect(await floatsIn(memory, floats.length, offset)).toEqual(floats)
}
