import { resolve } from 'node:path'
import type { NativeQuestion } from './binding.js'
import { checkKeys } from './check-keys.js'
import { configFromJson } from './config.js'
import { Failure, invalid, toError } from './errors.js'
import { type BindConfig, readBinding } from './function-models/bind.js'
import { serverHost } from './function-models/server-host.js'
import type { LogSettings, LogSettingsUpdate } from './log-settings.js'
import {
  type MetricFamily,
  type MetricFamilyOptions,
  type MetricKind,
  metricFamily,
} from './metrics.js'
import { Model } from './model.js'
import type { ModelConfig } from './model-config.js'
import { readFlag, readObject, readPath, readText, readVersion } from './options.js'
import type { Parent } from './parent.js'
import { inUsersWords, readLoad, readModelNames } from './server-arguments.js'
import { ServerRegions } from './server-regions.js'
import { type ServerState, warnOfFailure } from './server-state.js'
import type {
  LoadModelOptions,
  ModelIndexEntry,
  ModelMetadata,
  ModelStatistics,
  RegisterOptions,
  ServerMetadata,
} from './server-types.js'
import type { TraceSettingsUpdate } from './trace-settings.js'
import type { TraceStatus } from './tracing.js'
import type { FunctionsFor, TypeOfConfig } from './typed-functions.js'
import type { ModelTypeOf } from './typed-models.js'

/**
 * An inference server inside this process. Made by `createServer`; to be closed, with
 * `await using` or `close()`. All methods but `close` throw or reject with UNAVAILABLE once it is
 * closed.
 */
export class Server extends ServerRegions {
  readonly #state: ServerState

  /** @internal */
  constructor(state: ServerState) {
    super(state)
    this.#state = state
    collected.register(this, state, this)
  }

  // Models ----------------------------------------------------------------------------------------

  /**
   * Loads a model, or loads it anew: requests go to the old version until the new one is ready,
   * and stay with it when the new one fails. Needs model control 'explicit'.
   *
   * @throws TridentError with the reason the model can't be loaded: INTERNAL when no repository has
   *   one of this name, NOT_FOUND when there is no `path`, INVALID_ARG for a wrong configuration, or
   *   the backend's own error; UNAVAILABLE when the model control mode does not allow it
   */
  async loadModel<const N extends string>(
    model: N | LoadModelOptions<N>,
  ): Promise<Model<ModelTypeOf<N>>> {
    const { name, version, files, config, path, given } = readLoad(model)
    this.checkOpen()
    const state = this.#state
    const load = (): Promise<void> =>
      state.run((task) => state.bridge.native.loadModel(task, state.id, name, config, files))
    try {
      await (path === null ? load() : state.loadFrom(path, name, load))
      state.forgetCopies(name)
    } catch (reason) {
      throw toError(inUsersWords(reason, given), name)
    } finally {
      state.invalidate(name)
    }
    return this.model(name as N, version < 0 ? undefined : version)
  }

  /**
   * Unloads all versions of a model and waits until its requests have ended and its memory is
   * free. Success for a model that is not loaded. Streams may go on as long as requests may: to
   * the server's exit timeout; then they are cancelled.
   *
   * @param options dependents: also the models that only this one (an ensemble) used
   * @throws TridentError UNAVAILABLE when requests still execute after the server's exit timeout;
   *   the model then goes with the last of them
   */
  async unloadModel(name: string, options: { dependents?: boolean } = {}): Promise<void> {
    readText(name, 'name')
    readObject(options, 'the options of unloadModel')
    checkKeys(options, ['dependents'], 'unloadModel')
    const dependents = readFlag(options.dependents, false, 'dependents')
    this.checkOpen()
    const invalidate = (): void => this.#state.invalidate(dependents ? null : name)
    invalidate()
    try {
      await this.#state.run((task) =>
        this.#state.bridge.native.unloadModel(
          task,
          this.#state.id,
          name,
          dependents,
          this.#state.exitTimeout,
        ),
      )
      this.#state.forgetCopies(name)
    } catch (reason) {
      const why = new Failure('UNAVAILABLE', `model '${name}' was unloaded`)
      this.#state.abandonStreams(dependents ? null : name, why)
      throw toError(reason, name)
    } finally {
      invalidate()
    }
  }

  /**
   * Loads what is new or has changed in the repositories and unloads what has gone, now. Needs model
   * control 'poll', in which the server does this by itself from time to time.
   *
   * @throws TridentError INTERNAL when a model can't be loaded; all others are
   */
  async pollModelRepository(): Promise<void> {
    const state = this.#state
    await this.#change((task) => state.bridge.native.pollRepository(task, state.id))
  }

  /**
   * Adds a model repository. Needs model control 'explicit', as does its removal.
   *
   * @throws TridentError NOT_FOUND or INVALID_ARG: there is no such directory; ALREADY_EXISTS: it
   *   is registered, or one of its `modelNames` is taken; UNSUPPORTED: the model control mode
   */
  async registerModelRepository(path: string, options: RegisterOptions = {}): Promise<void> {
    readPath(path, 'path')
    const names = readModelNames(options)
    const state = this.#state
    await this.#change((task) =>
      state.bridge.native.addRepository(task, state.id, resolve(path), names),
    )
  }

  /** Forgets a repository; its models stay loaded. */
  async unregisterModelRepository(path: string): Promise<void> {
    readPath(path, 'path')
    const state = this.#state
    await this.#change((task) =>
      state.bridge.native.removeRepository(task, state.id, resolve(path)),
    )
  }

  /**
   * A model that is loaded.
   *
   * @param version unless given, the one the model's version policy chooses for each request
   * @throws TridentError NOT_FOUND or UNAVAILABLE when there is none that can serve
   */
  model<const N extends string>(name: N, version?: number): Model<ModelTypeOf<N>> {
    return this.modelFor(null, name, version)
  }

  /** A model whose requests are made for `parent`. @internal */
  modelFor<const N extends string>(
    parent: Parent | null,
    name: N,
    version?: number,
  ): Model<ModelTypeOf<N>> {
    readText(name, 'name')
    const number = readVersion(version)
    this.checkOpen()
    try {
      return new Model(this, this.#state.model(name, number), parent)
    } catch (reason) {
      throw toError(reason, name)
    }
  }

  /**
   * Serves a function as a model: requests to it go through queue, batching and statistics as those
   * to any other. Binding anew replaces the model as loading anew does; `unloadModel` removes it.
   *
   * @param config the name and tensors, and whatever the configuration of a model can say
   * @param functions a function, a wrapped one (`batch`, `sample`, `requests`), an object or class
   *   with `execute` or `inference`, or a list of these, one for each instance
   * @throws TypeError, RangeError: an argument of the wrong type; TridentError INVALID_ARG for a
   *   wrong configuration, ALREADY_EXISTS when a repository has a model of this name, or what
   *   `initialize` threw
   */
  async bind<const C extends BindConfig>(
    config: C,
    functions: FunctionsFor<NoInfer<C>>,
  ): Promise<Model<TypeOfConfig<C>>> {
    const { name, callables, json, given } = readBinding(config, functions)
    this.checkOpen()
    const state = this.#state
    const { native } = state.bridge
    try {
      await serverHost(state.bridge).whileBound(callables, (key) =>
        state.run((task) => native.loadProvidedModel(task, state.id, name, json(key))),
      )
      state.forgetCopies(name)
    } catch (reason) {
      throw toError(inUsersWords(reason, given), name)
    } finally {
      state.invalidate(name)
    }
    return this.model(name) as unknown as Model<TypeOfConfig<C>>
  }

  // Questions -------------------------------------------------------------------------------------

  /** True from start to close, whatever the models do. */
  async live(): Promise<boolean> {
    return this.#isTrue('live')
  }

  /** True when the server takes requests and, unless `strictReadiness` is off, all models do. */
  async ready(): Promise<boolean> {
    return this.#isTrue('ready')
  }

  /** @throws TridentError NOT_FOUND for an unknown model */
  async modelReady(name: string, version?: number): Promise<boolean> {
    return this.#isTrue('modelReady', readText(name, 'name'), readVersion(version))
  }

  async metadata(): Promise<ServerMetadata> {
    return this.#describe('server') as ServerMetadata
  }

  /** Every model of the repositories with its versions, their states and why. */
  async index(options: { readyOnly?: boolean } = {}): Promise<ModelIndexEntry[]> {
    readObject(options, 'the options of index')
    checkKeys(options, ['readyOnly'], 'index')
    const readyOnly = readFlag(options.readyOnly, false, 'readyOnly')
    return this.#describe(readyOnly ? 'readyIndex' : 'index') as ModelIndexEntry[]
  }

  async modelMetadata(name: string, version?: number): Promise<ModelMetadata> {
    return this.#describe('metadata', name, version) as ModelMetadata
  }

  /** The complete configuration in force. */
  async modelConfig(name: string, version?: number): Promise<ModelConfig> {
    return configFromJson(JSON.stringify(this.#describe('config', name, version)))
  }

  /**
   * Statistics of a model's versions, or of all models.
   *
   * @throws TridentError INVALID_ARG or NOT_FOUND for an unknown model or version
   */
  async statistics(name?: string, version?: number): Promise<ModelStatistics[]> {
    const { model_stats: list } = this.#describe('statistics', name ?? '', version) as {
      model_stats: ModelStatistics[]
    }
    for (const model of list) {
      const { count, bytes } = this.#state.copiesSoFar(model.name, Number(model.version))
      const core = model.copy_stats ?? { count: 0, byte_size: 0 }
      model.copy_stats = { count: core.count + count, byte_size: core.byte_size + bytes }
    }
    return list
  }

  // Metrics ---------------------------------------------------------------------------------------

  /**
   * What the server measures, and the metrics of the application, in Prometheus' text format
   * (version 0.0.4), for whoever scrapes it. Does not disturb requests.
   */
  async metrics(): Promise<string> {
    this.checkOpen()
    const state = this.#state
    try {
      return await state.ask((task) => state.bridge.native.metrics(task, state.id))
    } catch (reason) {
      throw toError(reason)
    }
  }

  /**
   * A family of metrics of the application's own, until it is deleted or this server is closed.
   * As in Triton they belong to the process: all its servers tell them, and families of one name
   * and kind are one, with the first description. Of one server they are the same object, with the
   * first buckets.
   *
   * @throws TridentError INVALID_ARG: a name that Prometheus does not take, or that a family of
   *   another kind has
   */
  metricFamily<K extends MetricKind>(options: MetricFamilyOptions<K>): MetricFamily<K> {
    this.checkOpen()
    return metricFamily(this.#state, options)
  }

  // Traces ----------------------------------------------------------------------------------------

  /**
   * Changes which requests are traced and where traces are written; what is not given stays.
   *
   * @param model only requests to this model; what it does not set itself is as for all
   * @returns what then holds
   * @throws TridentError INVALID_ARG: a rate of 0, neither a `file` nor `onTrace`, or no such model
   */
  trace(settings: TraceSettingsUpdate, model?: string): TraceStatus {
    const name = this.#readModel(model)
    this.#state.tracing.update(name, settings)
    return this.#state.tracing.status(name)
  }

  /** Which requests are traced: to `model`, or to those models without settings of their own. */
  traceSettings(model?: string): TraceStatus {
    return this.#state.tracing.status(this.#readModel(model))
  }

  // Logging ---------------------------------------------------------------------------------------

  /** What is logged now, and where. */
  logSettings(): LogSettings {
    this.checkOpen()
    return { ...this.#state.log }
  }

  /**
   * Changes what is given, from the next record on; returns what then holds.
   *
   * @throws TridentError UNSUPPORTED for another `logFile`
   */
  updateLogSettings(update: LogSettingsUpdate): LogSettings {
    this.checkOpen()
    this.#state.updateLog(update)
    return this.logSettings()
  }

  // The end ---------------------------------------------------------------------------------------

  /**
   * Refuses new requests, waits up to the exit timeout for those under way, cancels the rest and
   * stops the server. Further calls return the same promise.
   *
   * @throws TridentError UNAVAILABLE when requests still execute then; the server ends with them
   */
  close(): Promise<void> {
    collected.unregister(this)
    return this.#state.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  checkOpen(): void {
    this.#state.checkOpen()
  }

  /** The name of a model that there is, or that was given settings; '' when none is given. */
  #readModel(model: string | undefined): string {
    this.checkOpen()
    if (model === undefined) return ''
    if (this.#state.tracing.has(readText(model, 'model'))) return model
    if (this.#isTrue('modelReady', model)) return model
    throw invalid(`Request for unknown model : ${model}`, model)
  }

  async #change(start: (task: number) => void): Promise<void> {
    this.checkOpen()
    try {
      await this.#state.run(start)
    } catch (reason) {
      throw toError(reason)
    }
  }

  #describe(what: NativeQuestion, name = '', version?: number): unknown {
    readText(name, 'name')
    const number = readVersion(version)
    this.checkOpen()
    try {
      return JSON.parse(this.#state.bridge.native.describe(this.#state.id, what, name, number))
    } catch (reason) {
      throw toError(reason, name || undefined)
    }
  }

  #isTrue(what: 'live' | 'ready' | 'modelReady', name = '', version = -1): boolean {
    this.checkOpen()
    try {
      return this.#state.bridge.native.isTrue(this.#state.id, what, name, version)
    } catch (reason) {
      throw toError(reason, name || undefined)
    }
  }
}

const collected = new FinalizationRegistry<ServerState>((state) => {
  process.emitWarning('a Trident server was garbage-collected without close()', 'TridentWarning')
  state.close().catch(warnOfFailure)
})
