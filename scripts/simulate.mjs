// npm run simulate -- [--seeds N] [--from N] [--jobs N]: the scheduler simulation, any number of
// seeds, in parallel processes. Prints how far it is and stops at the first seed that fails.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  checkNode,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  outDir,
  runMain,
  SetupError,
  say,
} from './setup.mjs'

const program = join(outDir, 'trident_simulation')
const seedsPerProcess = 5000
const secondsBetweenNews = 10

function parse(args) {
  const options = { seeds: 100_000, from: 1, jobs: availableParallelism() }
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i]?.replace(/^--/, '')
    const value = Number(args[i + 1])
    if (!Object.hasOwn(options, name) || !Number.isSafeInteger(value) || value < 1) {
      throw new SetupError('usage: npm run simulate -- [--seeds N] [--from N] [--jobs N]')
    }
    options[name] = value
  }
  return options
}

/** Runs `count` seeds; resolves to the report of the one that failed, or to nothing. */
function runSeeds(from, count, processes) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['--from', String(from), '--seeds', String(count)])
    processes.add(child)
    let output = ''
    const collect = (data) => {
      output += data
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      processes.delete(child)
      if (code === 0) resolve(undefined)
      else resolve(output || `seeds ${from}..${from + count - 1} ended with ${signal ?? code}`)
    })
  })
}

async function simulate({ seeds, from, jobs }) {
  const start = Date.now()
  const end = from + seeds
  const processes = new Set()
  let next = from
  let done = 0
  let failure
  const news = setInterval(() => {
    const perSecond = Math.round((done * 1000) / (Date.now() - start))
    say(`${done} of ${seeds} seeds, ${perSecond} a second`)
  }, secondsBetweenNews * 1000)

  async function work() {
    while (next < end && !failure) {
      const first = next
      const count = Math.min(seedsPerProcess, end - first)
      next += count
      const report = await runSeeds(first, count, processes)
      if (report && !failure) {
        failure = report
        for (const process of processes) process.kill()
      }
      done += count
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  clearInterval(news)
  if (failure) {
    console.log(failure)
    throw new SetupError('a seed failed')
  }
  const seconds = (Date.now() - start) / 1000
  say(`${seeds} seeds from ${from} passed in ${seconds.toFixed(1)} s`)
}

await runMain(async (args) => {
  const options = parse(args)
  checkNode()
  ensureSystemPackages()
  ensureNodeModules()
  ensureNative()
  await simulate(options)
})
