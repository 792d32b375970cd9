// Finds the ONNX Runtime library that the application's onnxruntime-node package carries. A second
// copy of the library, loaded first, would be taken by that package as its own: so it is this one
// or none.
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { applicationFiles } from './application.js'

const libraryName = 'libonnxruntime.so.1'

/** The library's path, or null when onnxruntime-node is not installed. */
export function findOnnxRuntime(): string | null {
  for (const from of applicationFiles()) {
    let manifest: string
    try {
      manifest = createRequire(from).resolve('onnxruntime-node/package.json')
    } catch {
      continue
    }
    const library = libraryIn(join(dirname(manifest), 'bin'))
    if (library) return library
  }
  return null
}

/** bin/napi-v<n>/<platform>/<arch>/<library>; n has changed over time. */
function libraryIn(bin: string): string | null {
  if (!existsSync(bin)) return null
  for (const version of readdirSync(bin).sort().reverse()) {
    const path = join(bin, version, process.platform, process.arch, libraryName)
    if (version.startsWith('napi-v') && existsSync(path)) return path
  }
  return null
}
