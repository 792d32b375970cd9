export interface ThreadCounts {
  syscalls: number
  futex_waits: number
  futex_wakes: number
  woken: number
}

export interface SystemCounts {
  client: ThreadCounts
  others: ThreadCounts
  context_switches: number
  page_faults: number
  threads: number
}

/** The version of the compiler that built what is counted. */
export function compilerOfTheBuild(): string

/** Instructions per request, by case. */
export function countInstructions(requests?: number): Record<string, number>

/** System calls and what belongs to them per request, by case; `threads` is of the process. */
export function countSystem(requests?: number): Record<string, SystemCounts>
