// How much is measured: everything, or what fits into a minute.

const whole = {
  rounds: 7,
  seconds: 0.3,
  outstandings: [1, 2, 16, 64],
  models: undefined, // all
  openSeconds: 1,
  openLoads: ['50 %', '70 %', '90 %', '100 %', '120 %', '50 % in bursts'],
  modelCounts: [1, 10, 1000, 10_000],
  regionCounts: [10, 1000, 60_000],
  sequenceCounts: [1, 10, 100, 1000, 10_000],
  queueLengths: [10, 1000, 100_000, 1_000_000],
  timerSeconds: 1,
  streams: 200,
  microSeconds: 2,
  openPeers: 5,
}

const quick = {
  rounds: 1,
  seconds: 0.1,
  outstandings: [1, 64],
  models: ['digits', 'mlp64'],
  openSeconds: 0.3,
  openLoads: ['50 %', '50 % in bursts'],
  modelCounts: [1, 10, 300],
  regionCounts: [10, 1000, 60_000],
  sequenceCounts: [1, 100],
  queueLengths: [10, 100_000],
  timerSeconds: 0.3,
  streams: 10,
  microSeconds: 0.05,
  openPeers: 3,
}

export function makePlan(isQuick) {
  return { quick: isQuick, seed: 20_240_601, ...(isQuick ? quick : whole) }
}
