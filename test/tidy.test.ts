// Rules about the source itself. Each exception stands beside its rule, with the reason.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const notSource = new Set(['.git', 'node_modules', 'dist', 'build', 'results', 'coverage'])

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** A C or C++ file without its comments. */
function code(path: string): string {
  return read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
}

/** Files below `folder`, as paths from the root. */
function files(folder: string, pattern = /./): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return notSource.has(entry.name) ? [] : files(path, pattern)
    return pattern.test(path) ? [path] : []
  })
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] as string)
}

function includes(path: string): string[] {
  return matches(read(path), /^\s*#\s*include\s+["<]([^">]+)[">]/gm)
}

const rooms = [
  'base',
  'cuda',
  'memory',
  'metrics',
  'config',
  'inference',
  'scheduler',
  'model',
  'repository',
  'server',
  'capi',
]
const publicHeaders = ['triton/core', 'trident']
const cSource = /\.(h|cc|c)$/

describe('include directions', () => {
  const folders = [
    ...rooms,
    'isolation',
    'node',
    'backends',
    'repoagents',
    'caches',
    ...publicHeaders,
  ]

  /** Includes of project headers in `folder` that `allowed` does not cover. */
  function strays(folder: string, allowed: string[]): string[] {
    return files(folder, cSource).flatMap((path) =>
      includes(path)
        .filter((header) => folders.some((known) => header.startsWith(`${known}/`)))
        .filter((header) => !allowed.some((known) => header.startsWith(`${known}/`)))
        .map((header) => `${path} includes ${header}`),
    )
  }

  it.each(rooms)('native/%s includes itself and rooms to its left', (room) => {
    const left = rooms.slice(0, rooms.indexOf(room) + 1)
    // Below model nothing knows the C ABI: its types begin where plug-ins are called.
    const abi = rooms.indexOf(room) >= rooms.indexOf('model') ? publicHeaders : []
    expect(strays(`native/${room}`, [...left, ...abi])).toEqual([])
  })

  it('native/node includes the public headers, isolation, memory, cuda and base', () => {
    const allowed = ['node', 'isolation', 'memory', 'cuda', 'base', ...publicHeaders]
    expect(strays('native/node', allowed)).toEqual([])
  })

  it('native/isolation includes the public headers, memory and base', () => {
    expect(strays('native/isolation', ['isolation', 'memory', 'base', ...publicHeaders])).toEqual(
      [],
    )
  })

  it('plug-ins include the public headers and their own files', () => {
    for (const kind of ['backends', 'repoagents', 'caches']) {
      const names = readdirSync(join(root, 'native', kind)).filter((name) => !name.includes('.'))
      for (const name of names) {
        // What a cache keeps its responses in is header only, and the core's own cache too. A backend
        // reaches devices as the core does.
        const shared = { caches: ['base'], backends: ['cuda', 'base'] }[kind] ?? []
        if (name === 'isolation') shared.push('isolation')
        const own = [`${kind}/${name}`, `${kind}/common`, ...shared, ...publicHeaders]
        expect(strays(`native/${kind}/${name}`, own)).toEqual([])
      }
    }
  })

  it('public headers include public headers', () => {
    expect(strays('native/include', publicHeaders)).toEqual([])
  })

  it('only native/node sees Node-API', () => {
    const seen = files('native', cSource).filter((path) =>
      includes(path).some((header) => /^(napi|node_api|js_native_api|uv)(-inl)?\.h$/.test(header)),
    )
    expect(seen.filter((path) => !path.startsWith('native/node/'))).toEqual([])
  })
})

describe('native code', () => {
  it('every room has a place in the map', () => {
    const map = read('native/README.md')
    const folders = readdirSync(join(root, 'native')).filter((name) =>
      statSync(join(root, 'native', name)).isDirectory(),
    )
    expect(folders.filter((name) => !map.includes(`${name}/`))).toEqual([])
    expect(rooms.filter((room) => !folders.includes(room))).toEqual([])
  })

  it('locks only through base/mutex.h', () => {
    const raw = /std::(recursive_|shared_|timed_)*(mutex|condition_variable|(unique|scoped)_lock)\b/
    const uses = files('native', cSource).filter((path) => raw.test(code(path)))
    expect(uses.filter((path) => path !== 'native/base/mutex.h')).toEqual([])
  })

  it('includes every header somewhere', () => {
    const all = [...files('native', cSource), ...files('test', cSource), ...files('bench', cSource)]
    const used = new Set(all.flatMap(includes))
    const headers = files('native', /\.h$/).map((path) => path.replace(/^native\/(include\/)?/, ''))
    expect(headers.filter((header) => !used.has(header))).toEqual([])
  })

  it('never prints nor exits', () => {
    // The log's own last resort is stderr.
    const exceptions = ['native/base/log.cc']
    const calls = /\b(std::cout|std::cerr|printf\(|puts\(|(?<![.\w])exit\(|abort\()/
    const noisy = files('native', /\.(h|cc)$/).filter((path) => calls.test(code(path)))
    expect(noisy.filter((path) => !exceptions.includes(path))).toEqual([])
  })
})

describe('C ABI', () => {
  const out = dirname(process.env.TRIDENT_NATIVE_BINDING ?? join(root, 'build/Release/out/x'))
  const prefix = /^TRITON(SERVER|BACKEND|CACHE|REPOAGENT)_/

  /** The functions that headers promise and the core has to offer. */
  function declared(): string[] {
    return files('native/include', /\.h$/).flatMap((path) => {
      const text = code(path)
      const marker =
        /\b(?:TRITON[A-Z]+_DECLSPEC|TRIDENT_EXTENSION_API)\s[^;()]*?\b(TRITON\w+)\s*\(/g
      return matches(text, marker)
    })
  }

  function exported(): string[] {
    const library = join(out, 'libtritonserver.so')
    const table = execFileSync('nm', ['-D', '--defined-only', '--format=posix', library])
    return table
      .toString()
      .split('\n')
      .map((line) => line.split(' ')[0] as string)
      .filter((name) => name !== '' && !name.startsWith('__'))
  }

  // A sanitizer's build exports symbols of its runtime too.
  it.skipIf(process.env.TRIDENT_SANITIZER)(
    'exports the declared functions and nothing else',
    () => {
      const names = exported()
      expect(names.filter((name) => !prefix.test(name))).toEqual([])
      const promised = declared()
      expect(names.filter((name) => !promised.includes(name))).toEqual([])
      expect(promised.filter((name) => !names.includes(name))).toEqual([])
    },
  )

  it('declares what Triton offers to clients and plug-ins', () => {
    const counts: Record<string, number> = {}
    for (const name of declared()) {
      const part = /^TRITON[A-Z]+_(Trident)?/.exec(name)?.[0] as string
      counts[part] = (counts[part] ?? 0) + 1
    }
    // 281 and the log callback; four more that the library exports without declaring them.
    expect(counts).toEqual({
      TRITONSERVER_: 173,
      TRITONBACKEND_: 91,
      TRITONCACHE_: 6 + 2,
      TRITONREPOAGENT_: 12 + 2,
      TRITONSERVER_Trident: 24,
      TRITONBACKEND_Trident: 5,
    })
  })

  it('the core has a bare SONAME', () => {
    const dynamic = execFileSync('readelf', ['-d', join(out, 'libtritonserver.so')]).toString()
    expect(matches(dynamic, /SONAME\).*\[(.*)\]/g)).toEqual(['libtritonserver.so'])
  })

  it('libraries look for others beside themselves only', () => {
    const plugins = ['backends', 'caches', 'repoagents'].flatMap((kind) =>
      readdirSync(join(out, kind), { recursive: true }).map((path) => join(out, kind, `${path}`)),
    )
    const libraries = [join(out, 'trident.node'), ...plugins.filter((path) => /\.so$/.test(path))]
    expect(libraries.length).toBeGreaterThan(4)
    for (const library of libraries) {
      const dynamic = execFileSync('readelf', ['-d', library]).toString()
      // An empty entry is the working directory.
      const places = matches(dynamic, /R(?:UN)?PATH\).*\[(.*)\]/g).flatMap((list) =>
        list.split(':'),
      )
      expect(places.filter((place) => !/^\$ORIGIN(\/|$)/.test(place))).toEqual([])
    }
  })
})

describe('tables in step', () => {
  /** Members of a C or C++ enum, in order. */
  function members(text: string, name: RegExp): string[] {
    const body = new RegExp(`${name.source}[^{]*\\{([^}]*)\\}`).exec(text)?.[1] ?? ''
    return matches(body.replace(/\/\/.*$/gm, ''), /\b(\w+)\s*(?:=\s*-?\d+\s*)?(?:,|$)/gm)
  }

  const camel = (name: string) =>
    `k${name
      .split('_')
      .map((part) => part[0] + part.slice(1).toLowerCase())
      .join('')}`

  const header = read('native/include/triton/core/tritonserver.h')

  it('error codes: C, C++ and TypeScript', () => {
    const codes = members(header, /enum TRITONSERVER_errorcode_enum/).map((name) =>
      name.replace('TRITONSERVER_ERROR_', ''),
    )
    expect(codes).toHaveLength(8)
    const ours = members(read('native/base/status.h'), /enum class StatusCode/)
    expect(ours).toEqual(['kOk', ...codes.map(camel)])
    const errors = read('src/errors.ts')
    expect(codes.filter((code) => !errors.includes(`'${code}'`))).toEqual([])
  })

  it('datatypes: C, C++ and TypeScript', () => {
    const types = members(header, /enum TRITONSERVER_datatype_enum/).map((name) =>
      name.replace('TRITONSERVER_TYPE_', ''),
    )
    expect(types).toHaveLength(15)
    const ours = members(read('native/base/datatype.h'), /enum class DataType/)
    expect(ours).toEqual(types.map(camel))
    const table = read('src/datatypes.ts')
    const missing = types.filter((type) => type !== 'INVALID' && !table.includes(type))
    expect(missing).toEqual([])
  })

  it('the version: package, library and change log', () => {
    const { version } = JSON.parse(read('package.json'))
    expect(read('native/base/version.h')).toContain(`"${version}"`)
    // What is not released yet has a word more in its title.
    expect(matches(read('CHANGELOG.md'), /^## (\S+)$/gm)[0]).toBe(version)
  })
})

describe('TypeScript', () => {
  const started = ['function-models/worker.ts', 'function-models/isolated-host.ts']

  it('every file is reachable from index.ts, a command or what threads and processes run', () => {
    const all = files('src', /\.c?ts$/)
    const reached = new Set<string>()
    const programs = ['index.ts', ...started].map((path) => `src/${path}`)
    const open = all.filter((path) => programs.includes(path) || path.startsWith('src/cli/'))
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (reached.has(path)) continue
      reached.add(path)
      for (const target of matches(read(path), /(?:from|import|import\()\s*'(\.[^']+)'/g)) {
        open.push(normalize(join(dirname(path), target)).replace(/js$/, 'ts'))
      }
    }
    expect(all.filter((path) => !reached.has(path))).toEqual([])
    expect([...reached].filter((path) => !all.includes(path))).toEqual([])
  })

  it('never prints nor exits', () => {
    const noisy = files('src', /\.ts$/).filter((path) =>
      /\bconsole\.|process\.(exit|stdout|stderr)\b/.test(read(path)),
    )
    // The process of an isolated instance ends whatever its module still does.
    const isolated = 'src/function-models/isolated-host.ts'
    expect(noisy.filter((path) => !path.startsWith('src/cli/') && path !== isolated)).toEqual([])
  })
})

describe('documents', () => {
  const documents = [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...files('docs', /\.md$/),
    ...files('examples', /\.md$/),
    'native/README.md',
  ]

  it.each(documents)('%s names only commands and files that exist', (path) => {
    const text = read(path)
    const { scripts } = JSON.parse(read('package.json'))
    const commands = matches(text, /npm run ([\w:-]+)/g)
    expect(commands.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
    const links = matches(text, /\]\((?!https?:|#)([^)#]+)[^)]*\)/g)
    const missing = links.filter((link) => !existsSync(join(root, dirname(path), link)))
    expect(missing).toEqual([])
  })

  it('README names the two commands', () => {
    expect(read('README.md')).toMatch(/npm run quickstart/)
    expect(read('README.md')).toMatch(/npm test/)
  })
})

describe('every file', () => {
  const text = /\.(ts|cts|mjs|cjs|js|json|h|cc|c|md|txt|pbtxt|gyp|map|supp)$|\/run$/
  const all = files('.', text)

  it('is free of paths of one machine and of registry hosts', () => {
    const folders = ['home', 'root', 'work', 'Users'].join('|')
    const machine = new RegExp(`(?<![\\w.@}-])/(?:${folders})/\\w`)
    const registry = new RegExp(`${['registry', 'npmjs'].join('\\.')}|"${'resolved'}":`)
    const found = all.filter((path) => machine.test(read(path)) || registry.test(read(path)))
    expect(found).toEqual([])
  })

  it('stays small', () => {
    const limit = 400
    // Tables and lists: one noun, however many rows.
    const exceptions = [
      /^package-lock\.json$/,
      /^native\/include\/triton\/core\//,
      /^native\/config\/(schema_table\.cc|model_config\.h)$/,
      /^test\//,
    ]
    const long = all.filter(
      (path) =>
        /\.(ts|mjs|h|cc|c)$/.test(path) &&
        read(path).split('\n').length > limit &&
        !exceptions.some((pattern) => pattern.test(relative('.', path))),
    )
    expect(long).toEqual([])
  })
})
