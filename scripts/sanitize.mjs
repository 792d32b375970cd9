// npm run test:asan, npm run test:tsan: native tests and the API suite on a build with sanitizers,
// under stock Node with the compiler's sanitizer libraries preloaded.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkNode,
  ensureNodeModules,
  ensureSystemPackages,
  ensureTypeScript,
  root,
  run,
  runMain,
  SetupError,
  say,
} from './setup.mjs'
import { runApi, runNative, summarise } from './suites.mjs'

// SIGBUS stays with the process: the guard of shared-memory regions and its tests need it.
const common = 'handle_sigbus=0:exitcode=66'

const kinds = {
  asan: {
    flags: 'address,undefined',
    libraries: ['libasan.so', 'libubsan.so'],
    env: (reports) => ({
      ASAN_OPTIONS: `${common}:detect_leaks=1:log_path=${reports}/asan`,
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${reports}/ubsan`,
      // Spare responses are poisoned; what they hold is not lost.
      LSAN_OPTIONS: `suppressions=${join(root, 'test', 'lsan.supp')}:print_suppressions=0:use_poisoned=1`,
    }),
  },
  tsan: {
    flags: 'thread',
    libraries: ['libtsan.so'],
    // Node, V8 and ONNX Runtime are not instrumented: what happens only inside them is not ours.
    env: (reports) => ({
      TSAN_OPTIONS: `${common}:ignore_noninstrumented_modules=1:log_path=${reports}/tsan`,
    }),
  },
}

function build(name, { flags }) {
  const folder = join(root, 'build', name)
  say(`building with -fsanitize=${flags}`)
  const options = ['-DCMAKE_BUILD_TYPE=None', '-DCMAKE_CXX_FLAGS=-O1 -g', '-DCMAKE_C_FLAGS=-O1 -g']
  const sanitize = `-DTRIDENT_SANITIZE=${flags}`
  run('cmake', ['-S', 'native', '-B', folder, '-G', 'Ninja', ...options, sanitize], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  run('cmake', ['--build', folder])
  return folder
}

function preload(libraries) {
  return libraries
    .map((library) => {
      const { stdout } = spawnSync('g++', [`-print-file-name=${library}`], { encoding: 'utf8' })
      if (!stdout?.includes('/')) throw new SetupError(`the compiler has no ${library}`)
      return stdout.trim()
    })
    .join(':')
}

/** What leak detection says in a forked child of the threads that only its parent has. */
const note = /^==\d+==Running thread \d+ was not suspended\. False leaks are possible\.$/

/** Reports go to files: a test runner may swallow the output of its workers. */
function countReports(folder) {
  const texts = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
  const reports = texts.filter(
    (text) =>
      !text
        .trim()
        .split('\n')
        .every((line) => note.test(line)),
  )
  for (const report of reports) console.log(`\n---\n${report}`)
  return { name: 'sanitizer reports', passed: 0, failed: reports.length, skipped: 0 }
}

await runMain(([name, ...vitestArgs]) => {
  if (!Object.hasOwn(kinds, name ?? '')) throw new SetupError('usage: sanitize.mjs asan|tsan')
  const kind = kinds[name]
  checkNode()
  ensureSystemPackages()
  ensureNodeModules()
  ensureTypeScript()
  const folder = build(name, kind)
  const reports = join(folder, 'reports')
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports)
  const env = kind.env(reports)
  const node = {
    ...env,
    LD_PRELOAD: preload(kind.libraries),
    TRIDENT_NATIVE_BINDING: join(folder, 'out', 'trident.node'),
    TRIDENT_SANITIZER: name,
  }
  summarise([
    ...runNative(folder, { capi: false, env }),
    ...runNative(folder, { capi: true, env }),
    ...runApi({ env: node, args: vitestArgs }),
    countReports(reports),
  ])
})
