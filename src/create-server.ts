import { join, resolve } from 'node:path'
import type { NativeSetting } from './binding.js'
import { type Bridge, getBridge } from './bridge.js'
import { checkKeys } from './check-keys.js'
import { toError } from './errors.js'
import { callerOf } from './function-models/caller.js'
import { isolatedProgram } from './function-models/isolated-program.js'
import { serverHost } from './function-models/server-host.js'
import { nativeLogSettings, readLogSettings } from './log-settings.js'
import { readObject, readPath } from './options.js'
import { newPrivateRepository } from './private-repository.js'
import { Server } from './server.js'
import { type ServerOptions, serverOptionNames } from './server-options.js'
import {
  controlMode,
  readAllowed,
  readDuration,
  readPollInterval,
  readSettings,
} from './server-settings.js'
import { ServerState } from './server-state.js'
import { Tracing } from './tracing.js'

/** Even when nobody is to wait for requests the core gets a moment: it has models to unload. */
const leastExitTimeoutMs = 1000

/**
 * Starts a server and loads its first models.
 *
 * @throws TridentError with the reason: a repository that does not exist, a model that can't be
 *   loaded (unless `exitOnError` is off), a missing native addon. TypeError, RangeError: an option
 *   of the wrong type.
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  readObject(options, 'what createServer takes')
  checkKeys(options, serverOptionNames, 'createServer')
  const settings = readSettings(options)
  const exitTimeout = readDuration(options.exitTimeout ?? 30_000, 'exitTimeout')
  const pollInterval = readPollInterval(options)
  const allowed = readAllowed(options)
  const log = readLogSettings(options)
  const { backendDirectory, repositoryAgentDirectory } = options
  if (backendDirectory !== undefined) readPath(backendDirectory, 'backendDirectory')
  if (repositoryAgentDirectory !== undefined) {
    readPath(repositoryAgentDirectory, 'repositoryAgentDirectory')
  }
  if (options.nativeBinding !== undefined) readPath(options.nativeBinding, 'nativeBinding')
  const bridge = getBridge(options.nativeBinding)
  const functions = serverHost(bridge)
  const ours = bridge.binding.directory
  const tracing = new Tracing(bridge, options)
  settings.push(
    ...nativeLogSettings(log),
    ['exitTimeoutMs', Math.max(leastExitTimeoutMs, exitTimeout)],
    ['backendDirectory', resolve(backendDirectory ?? join(ours, 'backends'))],
    ['repositoryAgentDirectory', resolve(repositoryAgentDirectory ?? join(ours, 'repoagents'))],
    [
      'backendConfig',
      'javascript',
      'isolation-host',
      JSON.stringify(isolatedProgram(bridge.binding.path)),
    ],
  )
  const explicit = controlMode(options) === 'explicit'
  // The core wants a repository to start with.
  const privateRepository = options.modelRepository === undefined ? newPrivateRepository() : null
  if (privateRepository) settings.push(['privateRepository', privateRepository])
  const state = new ServerState(bridge, exitTimeout, explicit, privateRepository, tracing)
  state.log = log
  try {
    await start(bridge, state, settings, allowed, options)
    tracing.start(state.id)
  } catch (reason) {
    await state.close().catch(() => {})
    throw toError(reason)
  }
  if (pollInterval !== null) state.pollEvery(pollInterval)
  const server = new Server(state)
  functions.started(state.id, callerOf(server))
  return server
}

async function start(
  bridge: Bridge,
  state: ServerState,
  settings: NativeSetting[],
  allowed: readonly string[],
  { onLog, onModelState, onDeviceEvent }: ServerOptions,
): Promise<void> {
  let id = -1
  const started = bridge.run((task) => {
    id = bridge.native.serverNew(task, settings, allowed)
    bridge.observers.set(id, {
      log: onLog,
      modelEvent: (event) => {
        state.modelChanged(event)
        onModelState?.(event)
      },
      deviceEvent: onDeviceEvent,
      traces: (destination, traces) => state.tracing.deliver(destination, traces),
      tracingOver: () => state.tracing.over(),
    })
  })
  try {
    await started
  } catch (reason) {
    bridge.observers.delete(id)
    throw reason
  }
  state.id = id
}
