import { type CudaExchange, checkExchangeable, cudaDeviceType, keepAlive } from './cuda-exchange.js'
import type { CudaMemory } from './cuda-memory.js'
import { type Datatype, datatypeInfo } from './datatypes.js'
import { invalid } from './errors.js'
import { RegionTensor, type RegionTensorOptions } from './region-tensor.js'
import { decodeBytes, elementCount, type Fixed, type Shape, Tensor, trusted } from './tensor.js'

/**
 * A tensor in a GPU's memory: an input that is read in place, or an output that is written in
 * place. Made by `CudaMemory.tensor()`, by `CudaMemory.fromExchange()`, and by requests whose
 * output goes to 'device': such a tensor has memory of its own, to be closed with
 * `tensor.memory.close()`.
 */
export class CudaTensor<
  D extends Datatype = Datatype,
  S extends Shape = readonly number[],
> extends RegionTensor<D, S> {
  /** What it lies in; other tensors may, too. */
  readonly memory: CudaMemory

  /** @internal */
  constructor(memory: CudaMemory, datatype: D, shape: Shape, options: RegionTensorOptions = {}) {
    super(memory.source, datatype, shape, options)
    this.memory = memory
    // Sizes are safe integers: their difference is exact where a sum would not be.
    if (this.byteSize > memory.byteSize - this.offset) {
      throw invalid(
        `a tensor of ${this.byteSize} bytes at offset ${this.offset} does not fit CUDA memory of ` +
          `${memory.byteSize} bytes`,
      )
    }
  }

  /** The device it lies on. */
  get deviceId(): number {
    return this.memory.deviceId
  }

  /**
   * Copies the elements to the host.
   *
   * @throws TridentError as `CudaMemory.read`; INVALID_ARG: what lies there is no BYTES tensor
   */
  async read(): Promise<Tensor<D, Fixed<S>>> {
    const { array } = datatypeInfo(this.datatype)
    const count = elementCount(this.shape)
    const target = array === null ? new Uint8Array(this.byteSize) : new array(count)
    await this.memory.read(this.offset, target)
    const data = array === null ? decodeBytes(target as Uint8Array, count) : target
    return new Tensor(this.datatype, data as never, this.shape, trusted)
  }

  /**
   * What other addons of this process take, the memory staying where it is: an object shaped as
   * DLPack's tensors are. Whoever holds it keeps the memory from being collected, not from being
   * closed. Work on it that is under way on a stream is the taker's to order.
   *
   * @throws TridentError UNAVAILABLE: the memory is closed; INVALID_ARG for BYTES
   */
  exchange(): CudaExchange<D> {
    const { memory, datatype, shape } = this
    checkExchangeable(datatype)
    const exchange: CudaExchange<D> = {
      deviceType: cudaDeviceType,
      deviceId: memory.deviceId,
      data: memory.pointer + BigInt(this.offset),
      shape,
      strides: null,
      datatype,
    }
    keepAlive(exchange, memory)
    return exchange
  }

  /** @internal */
  override reshaped(shape: readonly number[]): CudaTensor<D> {
    const { offset, byteSize } = this
    return new CudaTensor(this.memory, this.datatype, shape, { offset, byteSize })
  }
}
