// What a server logs, and how.
import { resolve } from 'node:path'
import type { NativeSetting } from './binding.js'
import { checkKeys } from './check-keys.js'
import { TridentError } from './errors.js'
import { readObject, readPath } from './options.js'
import type { ServerOptions } from './server-options.js'
import { readCount } from './server-settings.js'

const logLevels = ['silent', 'error', 'warn', 'info', 'verbose'] as const
const logFormats = ['default', 'ISO8601'] as const

export type LogLevel = (typeof logLevels)[number]
export type LogFormat = (typeof logFormats)[number]

/** As the options of `createServer`. */
export interface LogSettings {
  logLevel: LogLevel
  logVerboseLevel: number
  logFormat: LogFormat
  logFile?: string
}

/** `logFile`, if given, is the one there is. */
export type LogSettingsUpdate = Partial<LogSettings>

export function readLogSettings(options: ServerOptions): LogSettings {
  const { logLevel = 'warn', logVerboseLevel = 1, logFormat = 'default', logFile } = options
  return {
    logLevel: readChoice(logLevel, logLevels, 'logLevel'),
    logVerboseLevel: readCount(logVerboseLevel, 'logVerboseLevel'),
    logFormat: readChoice(logFormat, logFormats, 'logFormat'),
    ...(logFile !== undefined && { logFile: resolve(readPath(logFile, 'logFile')) }),
  }
}

/** `settings` with what `update` changes. */
export function updatedLogSettings(settings: LogSettings, update: LogSettingsUpdate): LogSettings {
  readObject(update, 'what updateLogSettings takes')
  checkKeys(update, ['logLevel', 'logVerboseLevel', 'logFormat', 'logFile'], 'updateLogSettings')
  const given = Object.entries(update).filter(([, value]) => value !== undefined)
  const updated = readLogSettings({ ...settings, ...Object.fromEntries(given) })
  if (updated.logFile !== settings.logFile) {
    throw new TridentError('UNSUPPORTED', 'log file location can not be updated')
  }
  return updated
}

/** In Triton's terms: kinds of records that are wanted or not, and how much of what is verbose. */
export function logDetail({ logLevel, logVerboseLevel, logFormat }: LogSettings): {
  error: boolean
  warn: boolean
  info: boolean
  verbose: number
  iso8601: boolean
} {
  const level = logLevels.indexOf(logLevel)
  return {
    error: level >= 1,
    warn: level >= 2,
    info: level >= 3,
    verbose: level >= 4 ? logVerboseLevel : 0,
    iso8601: logFormat === 'ISO8601',
  }
}

export function nativeLogSettings(settings: LogSettings): NativeSetting[] {
  const { error, warn, info, verbose, iso8601 } = logDetail(settings)
  return [
    ['logError', error],
    ['logWarn', warn],
    ['logInfo', info],
    ['logVerbose', verbose],
    ['logIso8601', iso8601],
    ...(settings.logFile === undefined ? [] : [['logFile', settings.logFile] as NativeSetting]),
  ]
}

function readChoice<T extends string>(value: T, choices: readonly T[], what: string): T {
  if (choices.includes(value)) return value
  throw new TypeError(`${what} is one of ${choices.join(', ')}, got ${String(value)}`)
}
