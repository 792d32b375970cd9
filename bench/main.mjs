// The benchmark: sections one by one, each of which gives tables, plots and facts. What was promised
// is compared with the facts at the end. Everything also goes to bench/results, as JSON and as a page.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { createServer } from 'trident'
import { progress } from './load/rounds.mjs'
import { describeMachine } from './machine.mjs'
import { results } from './paths.mjs'
import { makePlan } from './plan.mjs'
import { runRatios } from './ratios.mjs'
import { tableText } from './report/format.mjs'
import { pageOf } from './report/page.mjs'
import { sections } from './sections/index.mjs'
import { repository, workloadOf, workloads, writeRepository } from './workloads.mjs'

const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    models: { type: 'string' },
  },
})

function chosenSections() {
  if (!args.only) return Object.entries(sections)
  return args.only.split(',').map((name) => {
    if (sections[name]) return [name, sections[name]]
    throw new RangeError(`no section '${name}'; there are ${Object.keys(sections).join(', ')}`)
  })
}

function chosenWorkloads(plan) {
  const names = args.models?.split(',') ?? plan.models
  return names ? names.map(workloadOf) : workloads
}

const show = (table) => console.log(tableText(table))

/** What fails is said in the results, and does not end the others. */
async function runOrReport(name, run, context) {
  try {
    return await run(context)
  } catch (error) {
    process.exitCode = 1
    return { title: name, notes: [`failed: ${error.message}`] }
  }
}

/** A section shows its tables as soon as it has them, or leaves that to us. */
async function runSection(name, run, context) {
  const begin = performance.now()
  const shown = new Set()
  const showNow = (table) => {
    shown.add(table)
    show(table)
  }
  const section = await runOrReport(name, run, { ...context, show: showNow })
  progress('')
  for (const table of section.tables ?? []) if (!shown.has(table)) show(table)
  for (const note of section.notes ?? []) console.log(`  ${note}`)
  return { ...section, id: name, seconds: (performance.now() - begin) / 1000 }
}

function save(machine, plan, done) {
  mkdirSync(results, { recursive: true })
  const stamp = machine.date.replaceAll(/[:.]/g, '-')
  const json = `${JSON.stringify({ machine, plan, sections: done }, null, 2)}\n`
  const page = pageOf({ ...machine, seed: plan.seed }, done)
  for (const name of [stamp, 'latest']) {
    writeFileSync(join(results, `${name}.json`), json)
    writeFileSync(join(results, `${name}.html`), page)
  }
  console.log(`\nwritten to bench/results/${stamp} and latest, .json and .html`)
}

const missing = ['Of convolutional nets there is a small one with random weights.']

const plan = { ...makePlan(args.quick), partial: args.only !== undefined }
const machine = describeMachine()
console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, seed ${plan.seed}`)
const chosen = chosenSections()
writeRepository()
const server = await createServer({ modelRepository: repository, modelControl: 'explicit' })
try {
  const context = { server, plan, workloads: chosenWorkloads(plan) }
  const done = []
  for (const [name, run] of chosen) {
    console.log(`\n== ${name}`)
    done.push(await runSection(name, run, context))
  }
  const facts = Object.assign({}, ...done.map((section) => section.facts))
  const ratios = runRatios(facts, plan)
  if (ratios) {
    console.log('\n== ratios')
    done.unshift(await runSection('ratios', () => ratios, context))
  }
  done.push({ id: 'missing', title: 'What is not measured', notes: missing })
  save(machine, plan, done)
} finally {
  await server.close()
}
