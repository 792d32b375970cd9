// What a request takes must not grow unnoticed. Counts depend on the machine's speed only where a
// thread may or may not get to sleep; the limits, each with its reason, are in limits.json: whoever
// changes a count on purpose changes its limit in the same commit.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  compilerOfTheBuild,
  countInstructions,
  countSystem,
  type SystemCounts,
} from '../../bench/count-programs.mjs'
import limits from './limits.json' with { type: 'json' }

interface Limit {
  count: string
  case: string
  /** Only what `case` takes more than this one. */
  over?: string
  limit: number
  why: string
}

const sanitizer = process.env.TRIDENT_SANITIZER
const rows: Limit[] = limits.rows
const instructionRows = rows.filter((row) => row.count === 'instructions')
const systemRows = rows.filter((row) => row.count !== 'instructions')

function countOf(counts: Record<string, number>, name: string): number {
  const value = counts[name]
  if (value === undefined) throw new Error(`no case '${name}'; there are ${Object.keys(counts)}`)
  return value
}

/** By a name like "client.syscalls". */
function systemCount(counts: SystemCounts | undefined, name: string): number {
  const value = name
    .split('.')
    .reduce((at: unknown, key) => (at as Record<string, unknown> | undefined)?.[key], counts)
  if (typeof value !== 'number') throw new Error(`no count '${name}'`)
  return value
}

const whyNot = sanitizer
  ? `not under ${sanitizer}: its own work would be counted`
  : process.arch !== 'x64'
    ? `limits are known for x64, not for ${process.arch}`
    : ''

const hookTimeout = 120_000

describe.skipIf(whyNot !== '')(`instructions per request${whyNot && ` (${whyNot})`}`, () => {
  let counts: Record<string, number>
  let compiler: string

  beforeAll(() => {
    compiler = compilerOfTheBuild()
    counts = countInstructions()
  }, hookTimeout)

  it.each(instructionRows)('$case: at most $limit ($why)', ({ case: name, over, limit }) => {
    const base = over ? countOf(counts, over) : 0
    // Another compiler makes other instructions of the same code.
    const factor = compiler === limits.compiler ? 1 : 1.1
    expect(
      countOf(counts, name) - base,
      `the limit is for compiler ${limits.compiler}, this build is by ${compiler}`,
    ).toBeLessThanOrEqual(factor * limit)
  })
})

const alsoCounted = sanitizer ? ` (not under ${sanitizer}: its own calls would be counted)` : ''

describe.skipIf(sanitizer)(`system calls per request${alsoCounted}`, () => {
  let counts: Record<string, SystemCounts>
  let noFilters = ''

  beforeAll(() => {
    try {
      counts = countSystem()
    } catch (error) {
      noFilters = /no seccomp filters: .*/.exec(String(error))?.[0] ?? ''
      if (noFilters === '') throw error
    }
  }, hookTimeout)

  beforeEach(({ skip }) => skip(noFilters !== '', noFilters))

  it.each(systemRows)('$case: at most $limit $count ($why)', ({ count, case: name, limit }) => {
    expect(systemCount(counts[name], count)).toBeLessThanOrEqual(limit)
  })

  it('a request to an instance that sleeps does wake it', () => {
    expect(systemCount(counts['identity offloaded'], 'client.woken')).toBeGreaterThan(0.9)
  })
})
