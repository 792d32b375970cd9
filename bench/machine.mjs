// On what, and with what, this run was made.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release } from 'node:os'
import { join } from 'node:path'
import { root } from './paths.mjs'

function versionOf(name) {
  const file = join(root, name === 'trident' ? '' : join('node_modules', name), 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined
}

export function describeMachine() {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    linux: release(),
    node: process.version,
    trident: versionOf('trident'),
    'onnxruntime-node': versionOf('onnxruntime-node'),
    'grpc-js': versionOf('@grpc/grpc-js'),
  }
}

/** True when a package can be imported from here. */
export function isInstalled(name) {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}
