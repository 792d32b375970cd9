// What is promised, beside what this run gave. All are ratios or counts of one run.
import { availableParallelism } from 'node:os'

const ours = ['trident prepared sync', 'trident inferSync', 'trident infer']
const [prepared, inferSync, infer] = ours
const direct = 'onnxruntime-node'
const raw = 'raw C API, static batch'

/** How one peer's figure relates to another's on the same model. */
function compare(facts, model, peer, other, outstanding = 1, figure = 'p50Us') {
  const of = (name) => facts[`${model}/${name}/${outstanding}/${figure}`]
  return of(peer) / of(other)
}

const atMost = (target, unit = 'x') => ({ text: `<= ${target} ${unit}`, ok: (v) => v <= target })
const atLeast = (target, unit = 'x') => ({ text: `>= ${target} ${unit}`, ok: (v) => v >= target })

function callLines(facts) {
  const p50 = (model, peer, other) => compare(facts, model, peer, other)
  return [
    ['prepared.sync to the C API, digits', atMost(1.15), p50('digits', prepared, raw), 1],
    ['prepared.sync to the C API, mlp64', atMost(1.5), p50('mlp64', prepared, raw), 1],
    ['inferSync to the C API, digits', atMost(1.4), p50('digits', inferSync, raw), 1],
    ['inferSync to the C API, mlp64', atMost(2), p50('mlp64', inferSync, raw), 1],
    [
      'infer to onnxruntime-node, digits',
      atMost(0.85),
      p50('digits', infer, direct),
      p50('digits', raw, direct),
    ],
    [
      'infer to onnxruntime-node, mlp64',
      atMost(0.7),
      p50('mlp64', infer, direct),
      p50('mlp64', raw, direct),
    ],
    ['offloaded infer to a bare round trip', atMost(1.15), facts['roundTrip/ratio'], 1],
  ]
}

function loopLines(facts) {
  return ['saturated', 'fast'].flatMap((kind) => [
    [
      `timer ticks, ${kind}`,
      atLeast(95, '%'),
      facts[`timer/trident/${kind}/ticks`] * 100,
      facts['timer/idle/ticks'] * 100,
    ],
    [
      `worst timer gap, ${kind}`,
      atMost(5, 'ms'),
      facts[`timer/trident/${kind}/worstMs`],
      facts['timer/idle/worstMs'],
    ],
  ])
}

function throughputLines(facts) {
  const many = (peer, other) => compare(facts, 'digits', peer, other, 64, 'perSecond')
  const slo = (load, figure) => facts[`slo/deadline/${load}/${figure}`] * 100
  return [
    ['64 callers to full batches, long ones', atLeast(97, '%'), share(facts, 'long'), 100],
    ['64 callers to full batches, short ones', atLeast(90, '%'), share(facts, 'short'), 100],
    [
      '64 callers to onnxruntime-node, digits',
      atLeast(2.8),
      many(infer, direct),
      many(raw, direct),
    ],
    [
      '64 callers to onnxruntime-node, digits, two instances',
      atLeast(2.8),
      facts['batching/two/perSecond'] / facts[`digits/${direct}/64/perSecond`],
      2 * many(raw, direct),
    ],
    ['in time at 90 % load', atLeast(99.9, '%'), slo(0.9, 'attainment'), 100],
    ['in time at 100 % load', atLeast(98, '%'), slo(1, 'attainment'), 100],
    ['goodput at 120 % load', atLeast(97, '%'), slo(1.2, 'goodput'), 100],
    ['goodput at 150 % load', atLeast(97, '%'), slo(1.5, 'goodput'), 100],
  ]
}

const share = (facts, key) => facts[`batching/${key}/share`] * 100

/** Where a quick run measured fewer than promised, the line says how many. */
function scaleLines(facts) {
  const models = facts['models/largest']
  const scraped = facts['metrics/largest']
  const regions = facts['regions/largest']
  const most = availableParallelism() + 3
  return [
    ['queue of 100,000 to one of 10', atMost(1.2), facts['queue/ratio'], 1],
    [`${models ?? '10,000'} models to 10, inferSync`, atMost(1.1), facts['models/syncRatio'], 1],
    [`${models ?? '10,000'} models to 10, infer`, atMost(1.1), facts['models/ratio'], 1],
    [
      `scrape of ${scraped ?? '10,000'} models`,
      atMost(20, 'ms'),
      facts['metrics/scrapeMs'],
      facts['metrics/floorMs'],
    ],
    [`${regions ?? '60,000'} regions to 10`, atMost(1.1), facts['regions/ratio'], 1],
    [`threads of ${models ?? '10,000'} models`, atMost(most, ''), facts['models/threads'], 1],
  ]
}

function coreLines(facts) {
  const instructions = facts['counts/inlineInstructions']
  return [
    ['C inline over Run, digits', atMost(1, 'us'), facts['c/digits/inline/addedUs'], 0],
    ['C inline over Run, digits', atMost(6000, 'instructions'), instructions, 0],
    ['heap allocations of the core per request', atMost(0, ''), facts['counts/coreAllocations'], 0],
    ['copies, region to region', atMost(0, ''), facts['copies/identity-602k/region'], 0],
    ['different answers of 100 callers', atMost(0, ''), facts['identical/different'], 0],
  ]
}

/** @returns [what, target, measured, reached, floor] of each promise */
export function ratioRows(facts) {
  const lines = [callLines, loopLines, throughputLines, scaleLines, coreLines]
  return lines
    .flatMap((of) => of(facts))
    .map(([what, target, value, floor]) => {
      const measured = Number.isFinite(value)
      const reached = measured ? target.ok(value) : '-'
      return [what, target.text.trim(), value ?? Number.NaN, reached, floor]
    })
}

/** @param partial only some sections ran: of the others nothing is said, and null if of none */
export function runRatios(facts, { quick, partial }) {
  const rows = ratioRows(facts).filter(([, , value]) => !partial || Number.isFinite(value))
  if (rows.length === 0) return null
  return {
    title: 'What is promised',
    notes: [
      'The floor is what was measured beside it in this run, or, as a plain 1, 0 or 100 %, what ' +
        'nobody can be better than. - is not measured.',
      ...(quick ? ['A quick run: too short for promises, one round of each.'] : []),
    ],
    tables: [
      {
        title: '',
        columns: ['', 'target', 'measured', 'reached', 'floor'],
        rows,
      },
    ],
  }
}
