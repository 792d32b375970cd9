// Which requests are traced: Triton's settings, for all models and for single ones.
import { resolve } from 'node:path'
import { checkKeys } from './check-keys.js'
import { typeName } from './datatypes.js'
import { invalid } from './errors.js'
import { readObject, readPath } from './options.js'
import { readCount } from './server-settings.js'

export type TraceLevel = 'OFF' | 'TIMESTAMPS' | 'TENSORS'

export interface TraceSettings {
  /** ['OFF'], or one or both of the others. ['OFF'] unless given. */
  level: readonly TraceLevel[]
  /** Each so many-th request is traced; 1,000 unless given. */
  rate: number
  /** How many requests more are traced; -1, unless given, is no limit. */
  count: number
  /**
   * 0, unless given: all traces go to `file`. Else they go to `<file>.0`, `<file>.1` and so on, so
   * many requests to each.
   */
  logFrequency: number
  /**
   * Where traces are written, in Triton's JSON, over what was there before; complete when the server
   * is closed.
   */
  file?: string
}

/** Settings to change; null is what they would be had they never been set. */
export type TraceSettingsUpdate = {
  level?: TraceLevel | readonly TraceLevel[] | null
  rate?: number | null
  count?: number | null
  logFrequency?: number | null
  file?: string | null
}

type Overrides = Partial<TraceSettings>

const settingNames = ['level', 'rate', 'count', 'logFrequency', 'file'] as const
const levels: readonly TraceLevel[] = ['OFF', 'TIMESTAMPS', 'TENSORS']
const initial: TraceSettings = { level: ['OFF'], rate: 1000, count: -1, logFrequency: 0 }

/** Applies settings where requests are sampled. '' is all models without settings of their own. */
export interface TraceRules {
  set(model: string, settings: TraceSettings): void
  remove(model: string): void
  /** What `count` has come down to. */
  left(model: string): number
}

/** The settings of one server. What a model does not set itself is as for all, as in Triton. */
export class TraceSettingsTable {
  readonly #rules: TraceRules
  readonly #defaults: TraceSettings
  /** Traces have another place to go than a file. */
  readonly #heard: boolean
  /** By model; '' is all. */
  readonly #overrides = new Map<string, Overrides>()
  /** Those with a rule, which knows what is left of their count. */
  readonly #ruled = new Set<string>()

  /** @param options `trace` of the server's options: what null goes back to for all models */
  constructor(options: TraceSettingsUpdate, heard: boolean, rules: TraceRules) {
    this.#rules = rules
    this.#heard = heard
    this.#defaults = { ...initial, ...readUpdate(options, 'trace').set }
    this.#check(this.#defaults)
  }

  /** Once the server runs. */
  start(): void {
    if (isOn(this.#defaults)) this.#setRule('', this.#defaults)
  }

  /** Whether any request is traced. */
  get on(): boolean {
    return ['', ...this.#overrides.keys()].some((scope) => {
      const settings = this.of(scope)
      return isOn(settings) && settings.count !== 0
    })
  }

  /** The model has settings of its own. */
  has(model: string): boolean {
    return this.#overrides.has(model)
  }

  /** What holds for `model`; `count` is what is left. */
  of(model: string): TraceSettings {
    const scope = this.has(model) ? model : ''
    return { ...this.#effective(scope), ...this.#left(scope) }
  }

  update(model: string, update: TraceSettingsUpdate): void {
    const { set, cleared } = readUpdate(update, 'trace()')
    const recounts = set.count !== undefined || cleared.includes('count')
    const before = new Map(this.#overrides)
    const overrides: Overrides = { ...this.#current(model), ...set }
    for (const name of cleared) delete overrides[name]
    if (Object.keys(overrides).length === 0) this.#overrides.delete(model)
    else this.#overrides.set(model, overrides)
    // What holds for all holds for those models that leave something open.
    const affected = model === '' ? [...this.#overrides.keys(), ''] : [model]
    try {
      for (const scope of affected) this.#check(this.#effective(scope))
    } catch (error) {
      this.#overrides.clear()
      for (const [scope, old] of before) this.#overrides.set(scope, old)
      throw error
    }
    for (const scope of new Set(affected)) {
      if (scope !== model) this.#overrides.set(scope, this.#current(scope))
      if (scope === '' || this.#overrides.has(scope)) {
        const left = scope === model && !recounts ? this.#left(scope) : {}
        this.#setRule(scope, { ...this.#effective(scope), ...left })
      } else {
        this.#rules.remove(scope)
        this.#ruled.delete(scope)
      }
    }
  }

  #setRule(scope: string, settings: TraceSettings): void {
    this.#rules.set(scope, settings)
    this.#ruled.add(scope)
  }

  #left(scope: string): Pick<Overrides, 'count'> {
    return this.#ruled.has(scope) ? { count: this.#rules.left(scope) } : {}
  }

  /** The overrides of a scope, with its count as it is by now. */
  #current(scope: string): Overrides {
    const overrides = this.#overrides.get(scope) ?? {}
    return overrides.count === undefined ? overrides : { ...overrides, ...this.#left(scope) }
  }

  #effective(scope: string): TraceSettings {
    return { ...this.#defaults, ...this.#overrides.get(''), ...this.#overrides.get(scope) }
  }

  #check(settings: TraceSettings): void {
    if (!isOn(settings)) return
    const refuse = (why: string): never => {
      throw invalid(`Attempting to set invalid trace setting :${why}`)
    }
    if (settings.rate === 0) refuse('sample rate must be non-zero')
    if (settings.file === undefined && !this.#heard) refuse('trace file name is not given')
  }
}

function isOn({ level }: TraceSettings): boolean {
  return !level.includes('OFF')
}

function readUpdate(
  update: TraceSettingsUpdate,
  what: string,
): { set: Overrides; cleared: (keyof TraceSettings)[] } {
  checkKeys(readObject(update, `what ${what} takes`), settingNames, what)
  const set: Overrides = {}
  const cleared: (keyof TraceSettings)[] = []
  for (const name of settingNames) {
    if (update[name] === null) cleared.push(name)
  }
  const { level, rate, count, logFrequency, file } = update
  if (level != null) set.level = readLevel(level)
  if (rate != null) set.rate = readCount(rate, 'rate')
  if (count != null) set.count = count === -1 ? -1 : readCount(count, 'count')
  if (logFrequency != null) set.logFrequency = readCount(logFrequency, 'logFrequency')
  if (file != null) set.file = resolve(readPath(file, 'file'))
  return { set, cleared }
}

function readLevel(level: TraceLevel | readonly TraceLevel[]): readonly TraceLevel[] {
  const list = typeof level === 'string' ? [level] : level
  if (!Array.isArray(list)) {
    throw new TypeError(`level is a string or an array of them, got ${typeName(level)}`)
  }
  for (const one of list) {
    if (levels.includes(one)) continue
    throw new TypeError(`level is made of ${levels.join(', ')}, got ${String(one)}`)
  }
  if (list.length > 1 && list.includes('OFF')) {
    throw invalid("Expect only one trace level 'OFF' is specified")
  }
  return list.length === 0 ? ['OFF'] : levels.filter((one) => list.includes(one))
}
