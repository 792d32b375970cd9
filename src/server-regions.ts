import type { Datatype } from './datatypes.js'
import { readText } from './options.js'
import { RegionTensor, type RegionTensorOptions } from './region-tensor.js'
import { readCudaRegion, readRegion } from './server-arguments.js'
import type { ServerState } from './server-state.js'
import type {
  CudaSharedMemoryRegion,
  CudaSharedMemoryStatus,
  SystemSharedMemoryRegion,
  SystemSharedMemoryStatus,
} from './server-types.js'
import type { Ranked, Shape } from './tensor.js'

/** What a server knows of memory by name, as in Triton's extensions for shared memory. */
export class ServerRegions {
  readonly #state: ServerState

  /** @internal */
  constructor(state: ServerState) {
    this.#state = state
  }

  /**
   * Makes a POSIX shared-memory object known to this server under a name.
   *
   * @throws TridentError ALREADY_EXISTS: the name is taken; UNSUPPORTED: this process did not
   *   create the object and `sharedMemory.allow` does not list its key; INVALID_ARG: the object is
   *   smaller; UNAVAILABLE: there are no more files or mappings for this process; INTERNAL: it can't
   *   be opened
   */
  registerSystemSharedMemory(name: string, region: SystemSharedMemoryRegion): void {
    const { key, offset, byteSize } = readRegion(region)
    readText(name, 'name')
    this.#state.checkOpen()
    this.#state.bridge.native.registerRegion(this.#state.id, name, key, offset, byteSize)
  }

  /**
   * Forgets a region, or all of them; requests that use it keep it to their end. Success for an
   * unknown name.
   */
  unregisterSystemSharedMemory(name?: string): void {
    this.#state.checkOpen()
    const one = name === undefined ? null : readText(name, 'name')
    this.#state.bridge.native.unregisterRegion(this.#state.id, one)
  }

  /** @throws TridentError NOT_FOUND for an unknown name */
  systemSharedMemoryStatus(name?: string): SystemSharedMemoryStatus[] {
    this.#state.checkOpen()
    const one = name === undefined ? null : readText(name, 'name')
    return this.#state.bridge.native
      .regionStatus(this.#state.id, one)
      .map(([region, key, offset, byteSize]) => ({ name: region, key, offset, byteSize }))
  }

  /**
   * Makes memory of a GPU known to this server under a name; regions of both kinds share their
   * names. The memory is opened here, once for any number of names; requests find it open. A handle
   * that `CudaMemory.ipcHandle` gave in this process stands for the memory itself. The exporter must
   * keep it until it is unregistered and the requests that use it have ended.
   *
   * @throws TridentError UNSUPPORTED: there is no NVIDIA driver; ALREADY_EXISTS: the name is taken;
   *   INVALID_ARG: not a handle of 64 bytes, one that the driver does not know (any more), another
   *   device's, or the memory is smaller; UNAVAILABLE: the device has failed
   */
  registerCudaSharedMemory(name: string, region: CudaSharedMemoryRegion): void {
    const { rawHandle, deviceId, byteSize } = readCudaRegion(region)
    readText(name, 'name')
    this.#state.checkOpen()
    this.#state.bridge.native.registerCudaRegion(
      this.#state.id,
      name,
      rawHandle,
      deviceId,
      byteSize,
    )
  }

  /**
   * Forgets a region of a GPU, or all of them; requests that use it keep it to their end. Success
   * for an unknown name.
   */
  unregisterCudaSharedMemory(name?: string): void {
    this.#state.checkOpen()
    const one = name === undefined ? null : readText(name, 'name')
    this.#state.bridge.native.unregisterCudaRegion(this.#state.id, one)
  }

  /** @throws TridentError NOT_FOUND for an unknown name */
  cudaSharedMemoryStatus(name?: string): CudaSharedMemoryStatus[] {
    this.#state.checkOpen()
    const one = name === undefined ? null : readText(name, 'name')
    return this.#state.bridge.native
      .cudaRegionStatus(this.#state.id, one)
      .map(([region, deviceId, byteSize]) => ({ name: region, deviceId, byteSize }))
  }

  /** A tensor in a registered region of either kind. The name is looked up when a request uses the tensor. */
  regionTensor<D extends Datatype, const S extends Shape>(
    name: string,
    datatype: D,
    shape: S,
    options: RegionTensorOptions = {},
  ): RegionTensor<D, Ranked<S>> {
    readText(name, 'name')
    return new RegionTensor({ memory: () => name }, datatype, shape, options)
  }
}
