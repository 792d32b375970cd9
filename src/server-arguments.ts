// Reads what methods of a server take.
import { checkKeys } from './check-keys.js'
import { configToJson, inUsersSpelling } from './config.js'
import { readDevice, readRawHandle } from './cuda.js'
import { arrayName, typeName } from './datatypes.js'
import { Failure } from './errors.js'
import type { ModelConfig } from './model-config.js'
import { readObject, readPath, readText, readVersion } from './options.js'
import { readSize } from './region-tensor.js'
import type {
  CudaSharedMemoryRegion,
  LoadModelOptions,
  RegisterOptions,
  SystemSharedMemoryRegion,
} from './server-types.js'

/** What loadModel takes; `given` is the configuration as it was spelled. */
export function readLoad(model: string | LoadModelOptions): {
  name: string
  version: number
  files: [string, Uint8Array][]
  config: string | null
  path: string | null
  given: ModelConfig | undefined
} {
  const options = typeof model === 'string' ? { name: model } : model
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`loadModel takes a name or an object, got ${typeName(model)}`)
  }
  checkKeys(options, ['name', 'version', 'config', 'files', 'path'], 'loadModel')
  const name = readText(options.name, 'name')
  const version = readVersion(options.version)
  const files = readFiles(options)
  const config = readConfig(options, files.length > 0)
  const path = options.path === undefined ? null : readPath(options.path, 'path')
  return { name, version, files, config, path, given: options.config }
}

function readFiles(options: LoadModelOptions): [string, Uint8Array][] {
  if (options.files === undefined) return []
  if (options.path !== undefined) throw new TypeError('give either files or path, not both')
  readObject(options.files, 'files')
  return Object.entries(options.files).map(([path, bytes]) => {
    if (arrayName(bytes) !== 'Uint8Array') {
      throw new TypeError(`file '${path}' is a Uint8Array, got ${typeName(bytes)}`)
    }
    return [readText(path, 'a file path'), bytes]
  })
}

/** Triton asks for a configuration beside in-memory files; an empty one is completed. */
function readConfig(options: LoadModelOptions, hasFiles: boolean): string | null {
  const { config } = options
  if (config === undefined) return hasFiles ? configToJson({ name: options.name }) : null
  readObject(config, 'config')
  return configToJson(config)
}

/** A message about a configuration names its fields as the user wrote them. */
export function inUsersWords(reason: unknown, config: ModelConfig | undefined): unknown {
  if (config === undefined || !(reason instanceof Failure)) return reason
  return new Failure(reason.code, inUsersSpelling(reason.message, config), reason.cause)
}

/** Names of models by directory. */
export function readModelNames(options: RegisterOptions): [directory: string, model: string][] {
  checkKeys(readObject(options, 'the options'), ['modelNames'], 'registerModelRepository')
  const names = readObject(options.modelNames ?? {}, 'modelNames')
  return Object.entries(names).map(([directory, model]) => [
    readText(directory, 'a directory'),
    readText(model, 'a model name'),
  ])
}

export function readRegion(region: SystemSharedMemoryRegion): Required<SystemSharedMemoryRegion> {
  checkKeys(readObject(region, 'a region'), ['key', 'byteSize', 'offset'], 'a region')
  return {
    key: readText(region.key, 'key'),
    offset: readSize(region.offset ?? 0, 'offset'),
    byteSize: readSize(region.byteSize, 'byteSize'),
  }
}

export function readCudaRegion(region: CudaSharedMemoryRegion): {
  rawHandle: Uint8Array
  deviceId: number
  byteSize: number
} {
  checkKeys(readObject(region, 'a region'), ['rawHandle', 'deviceId', 'byteSize'], 'a region')
  return {
    rawHandle: readRawHandle(region.rawHandle),
    deviceId: readDevice(region.deviceId),
    byteSize: readSize(region.byteSize, 'byteSize'),
  }
}
