// The test suites, each run to its end and counted: { name, passed, failed, skipped }.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, SetupError, say } from './setup.mjs'

const programTimeoutMs = 15 * 60_000

/** Calls `use` with the path of a file that lives that long. */
function withReport(use) {
  const folder = mkdtempSync(join(tmpdir(), 'trident-report-'))
  try {
    return use(join(folder, 'report.json'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined // the program ended before it could write one
  }
}

function execute(command, env, cwd) {
  const { status, signal, error } = spawnSync(command[0], command.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'inherit',
    timeout: programTimeoutMs,
  })
  return {
    ok: status === 0,
    why: error?.message ?? (signal ? `signal ${signal}` : `code ${status}`),
  }
}

function listPrograms(buildDir) {
  const { status, stdout, stderr } = spawnSync(
    'ctest',
    ['--test-dir', buildDir, '--show-only=json-v1'],
    { encoding: 'utf8', maxBuffer: 64 << 20 },
  )
  if (status !== 0) throw new SetupError(`cannot list the native tests: ${stderr}`)
  return JSON.parse(stdout).tests.map(({ name, command, properties = [] }) => {
    const propertyOf = (wanted) => properties.find((property) => property.name === wanted)?.value
    const variables = (propertyOf('ENVIRONMENT') ?? []).map((text) => text.split(/=(.*)/s))
    return {
      name,
      command,
      cwd: propertyOf('WORKING_DIRECTORY'),
      ownEnv: Object.fromEntries(variables),
    }
  })
}

/** A GoogleTest program counts its cases; any other one counts as one test, by its exit code. */
function runProgram({ name, command, cwd, ownEnv }, env) {
  return withReport((file) => {
    const options = { GTEST_OUTPUT: `json:${file}`, GTEST_BRIEF: '1', ...env, ...ownEnv }
    const { ok, why } = execute(command, options, cwd)
    const report = readReport(file)
    const cases = (report?.testsuites ?? []).flatMap((suite) => suite.testsuite)
    const failed = cases.filter((test) => test.failures?.length > 0).length
    const skipped = cases.filter((test) => test.result === 'SKIPPED').length
    // A crash after, or instead of, the report is a failure of its own.
    const crashed = !ok && failed === 0 ? 1 : 0
    if (crashed) console.log(`FAILED ${name}: ${why}`)
    const passed = report ? cases.length - failed - skipped : 1 - crashed
    return { name, passed, failed: failed + crashed, skipped }
  })
}

export function runNative(buildDir, { capi, env = {} }) {
  const programs = listPrograms(buildDir).filter(({ name }) => name.startsWith('capi') === capi)
  return programs.map((program) => runProgram(program, env))
}

export function runApi({ env = {}, args = [] } = {}) {
  return withReport((file) => {
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const { ok, why } = execute([process.execPath, vitest, 'run', ...reporters, ...args], env, root)
    const report = readReport(file)
    const passed = report?.numPassedTests ?? 0
    const failed = report?.numFailedTests ?? 0
    // A file that does not load has no tests to fail; an error outside of tests belongs to none.
    const crashed = !ok && failed === 0 ? 1 : 0
    if (crashed) console.log(`FAILED api: ${why}`)
    const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
    return [{ name: 'api', passed, failed: failed + crashed, skipped }]
  })
}

/** Prints one line per suite and, last, one for all. Sets the exit code. */
export function summarise(results) {
  console.log()
  const sum = { passed: 0, failed: 0 }
  for (const { name, passed, failed, skipped } of results) {
    sum.passed += passed
    sum.failed += failed
    say(`${name}: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  }
  if (sum.passed === 0) sum.failed += 1 // nothing ran: that is no success
  console.log(`${sum.passed} passed, ${sum.failed} failed`)
  process.exitCode = sum.failed === 0 ? 0 : 1
}
