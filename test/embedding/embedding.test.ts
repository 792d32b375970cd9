// Programs of users, in C, C++, Python and JavaScript, against the installed tree, which was moved.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findOnnxRuntime } from '../../dist/esm/onnxruntime.js'
import { root } from '../docs/child.js'
import {
  buildFolder,
  compilerFlags,
  execute,
  executeNode,
  makeTree,
  removeScratch,
  scratch,
  tree,
} from './support.js'

const examples = join(root, 'examples')
const digits = join(examples, 'digits')
const library = join(tree, 'lib', 'libtritonserver.so')

beforeAll(async () => {
  process.env.TRIDENT_ONNXRUNTIME_LIBRARY = findOnnxRuntime()!
  process.env.PKG_CONFIG_PATH = join(tree, 'lib/pkgconfig')
  await makeTree()
})
afterAll(removeScratch)

/** Configures and builds a project of CMake's; gives the folder. */
function cmake(name: string, source: string, ...options: string[]): string {
  const folder = join(scratch, name)
  const flags = `-DCMAKE_C_FLAGS=${compilerFlags.join(' ')}`
  execute('cmake', ['-S', source, '-B', folder, flags, ...options])
  execute('cmake', ['--build', folder])
  return folder
}

function pkgConfig(...args: string[]): string[] {
  return execute('pkg-config', [...args, 'trident'])
    .trim()
    .split(/\s+/)
}

/** Compiles a program as docs/embedding.md says. */
function compile(compiler: string, source: string, program: string): string {
  const path = join(scratch, program)
  const [folder] = pkgConfig('--variable=libdir')
  const found = [...pkgConfig('--cflags', '--libs'), `-Wl,-rpath,${folder}`]
  const warnings = ['-Wall', '-Wextra', '-Werror', ...compilerFlags]
  execute(compiler, [...warnings, source, ...found, '-o', path])
  return path
}

/** Puts the JavaScript beside the tree. */
function installPackage(): void {
  const own = join(scratch, 'node_modules', 'trident')
  cpSync(join(root, 'package.json'), join(own, 'package.json'))
  cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true })
}

function needed(file: string): string[] {
  const dynamic = execute('readelf', ['--wide', '--dynamic', file])
  return [...dynamic.matchAll(/NEEDED.*\[(.*)\]/g)].map((match) => match[1] as string)
}

describe('the tree', () => {
  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(pkgConfig('--modversion')).toEqual([version])
    const { name, version: own } = JSON.parse(readFileSync(join(tree, 'package.json'), 'utf8'))
    expect([name, own]).toEqual([`trident-linux-${process.arch}-gnu`, version])
  })

  it('is what npm packs', () => {
    const [pack] = JSON.parse(
      execute('npm', ['pack', '--dry-run', '--json', '--loglevel=error', tree]),
    )
    const packed = pack.files.map(({ path }: { path: string }) => path)
    expect(packed).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'backends/identity/libtriton_identity.so',
        'backends/isolation/libtriton_isolation.so',
        'backends/isolation/trident-instance',
        'backends/onnxruntime/libtriton_onnxruntime.so',
        'caches/local/libtritoncache_local.so',
        'include/triton/core/tritonserver.h',
        'include/trident/extension.h',
        'lib/libtritonserver.so',
        'lib/cmake/Trident/TridentConfig.cmake',
        'lib/cmake/TritonCore/TritonCoreConfig.cmake',
        'lib/pkgconfig/trident.pc',
        'repoagents/checksum/libtritonrepoagent_checksum.so',
        'trident.node',
      ]),
    )
  })

  it('serves an application of Node', () => {
    installPackage()
    const output = executeNode(`
      import { readFileSync } from 'node:fs'
      import { createServer } from 'trident'
      const server = await createServer({ modelRepository: ${JSON.stringify(join(digits, 'models'))} })
      console.log((await server.model('digits').infer({ image: new Float32Array(64) })).logits.shape)
      await server.close()
      const maps = readFileSync('/proc/self/maps', 'utf8')
      for (const [, path] of maps.matchAll(/ r-xp .* (\\/.*\\/(?:trident|libtriton)[^/]*)$/gm)) console.log(path)
    `)
    const [shape, ...mapped] = output.trim().split('\n')
    expect(shape).toBe('[ 1, 10 ]')
    expect(mapped.sort()).toEqual([
      join(tree, 'backends/onnxruntime/libtriton_onnxruntime.so'),
      library,
      join(tree, 'trident.node'),
    ])
  })
})

describe('examples/c', () => {
  function check(output: string): void {
    expect(output).toContain('executed: accuracy 98.06 % (353 of 360)\n')
    expect(output).toContain('remembered: accuracy 98.06 % (353 of 360)\n')
    const json = (title: string) => JSON.parse(new RegExp(`^${title} (.*)$`, 'm').exec(output)![1]!)
    expect(json('server').name).toBe('triton')
    expect(json('model').inputs[0].name).toBe('image')
    const [{ inference_count, inference_stats }] = json('statistics').model_stats
    expect(inference_count).toBe(360)
    expect(inference_stats.cache_hit.count).toBe(360)
  }

  it('builds with find_package(Trident) and runs', () => {
    const source = join(examples, 'c')
    const folder = cmake('with-cmake', source, `-DCMAKE_PREFIX_PATH=${tree}`)
    check(execute(join(folder, 'client'), [digits, folder]))
  })

  it('builds with pkg-config and runs', () => {
    const folder = join(scratch, 'with-pkg-config')
    cpSync(join(examples, 'c/models'), join(folder, 'models'), { recursive: true })
    mkdirSync(join(folder, 'caches/fifo'), { recursive: true })
    const flags = ['-shared', '-fPIC', ...compilerFlags, ...pkgConfig('--cflags', '--libs')]
    const plugins = {
      'backend.c': 'models/argmax/libtriton_argmax.so',
      'cache.c': 'caches/fifo/libtritoncache_fifo.so',
    }
    for (const [source, plugin] of Object.entries(plugins)) {
      execute('cc', [join(examples, 'c', source), ...flags, '-o', join(folder, plugin)])
    }
    check(execute(compile('cc', join(examples, 'c/client.c'), 'client'), [digits, folder]))
  })
})

describe('examples/cuda', () => {
  const fakes = join(buildFolder, 'out/test')
  // The backend finds libcuda.so.1 there, as the driver.
  const driver = join(scratch, 'driver')
  let models: string

  beforeAll(() => {
    models = join(cmake('cuda', join(examples, 'cuda'), `-DCMAKE_PREFIX_PATH=${tree}`), 'models')
    mkdirSync(driver)
    cpSync(join(fakes, 'lib/libcuda.so.1'), join(driver, 'libcuda.so.1'))
  })

  /** Runs `code`, which has a server that found the model, or the error of its load. */
  function withModel(libraries: string, code: string): string {
    installPackage()
    const repository = JSON.stringify(models)
    return executeNode(
      `
      import { createServer, Tensor } from 'trident'
      const options = { modelRepository: ${repository}, modelControl: 'explicit', onLog() {} }
      const server = await createServer(options)
      const error = await server.loadModel('normalise').catch((error) => error)
      ${code}
      await server.close()
    `,
      {
        LD_LIBRARY_PATH: libraries,
        TRIDENT_CUDA_LIBRARY: join(fakes, 'libtrident_fake_cuda.so'),
      },
    )
  }

  it('needs nothing of CUDA to build', () => {
    expect(needed(join(models, 'normalise/libtriton_normalise.so')).join()).not.toMatch(
      /cuda|nvrtc/,
    )
  })

  it('computes with the kernel', () => {
    const output = withModel(
      join(fakes, 'lib'),
      `const image = new Tensor('UINT8', new Uint8Array([0, 255, 51]), [1, 1, 1, 3])
      const { planes } = await (await server.model('normalise')).infer({ image })
      console.log(JSON.stringify([planes.shape, [...planes.data]]))`,
    )
    const [shape, values] = JSON.parse(output)
    expect(shape).toEqual([1, 3, 1, 1])
    expect(values[0]).toBeCloseTo((0 - 0.485) / 0.229, 5)
    expect(values[1]).toBeCloseTo((1 - 0.456) / 0.224, 5)
    expect(values[2]).toBeCloseTo((0.2 - 0.406) / 0.225, 5)
  })

  const installed = (spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '').includes(
    'libnvrtc',
  )

  it.skipIf(installed)(
    `names the library that is missing${installed ? ' (not run: it is not missing)' : ''}`,
    () => {
      const output = withModel(driver, 'console.log(error.code, error.message)')
      expect(output).toMatch(
        /^UNSUPPORTED .*NVRTC.* libnvrtc\.so\.13: .*libnvrtc\.so\.12: .*libnvrtc\.so\.11\.2: /,
      )
    },
  )
})

describe('a project made for Triton', () => {
  const source = join(examples, 'c/backend.c')

  function build(name: string, lines: string[], ...options: string[]): string {
    const folder = join(scratch, `${name}-source`)
    mkdirSync(folder)
    const project = ['cmake_minimum_required(VERSION 3.18)', `project(${name} LANGUAGES C)`]
    writeFileSync(join(folder, 'CMakeLists.txt'), [...project, ...lines].join('\n'))
    return join(cmake(name, folder, ...options), 'libtriton_mine.so')
  }

  it('fetches the repository core, and gets the tree', () => {
    const lines = [
      'find_package(Trident REQUIRED)', // which must not be in the way
      'include(FetchContent)',
      'FetchContent_Declare(repo-core GIT_REPOSITORY /nonexistent/core.git GIT_TAG main)',
      'FetchContent_MakeAvailable(repo-core)',
      `add_library(triton_mine SHARED ${source})`,
      'target_link_libraries(triton_mine PRIVATE triton-core-serverapi triton-core-backendapi',
      '  triton-core-serverstub)',
    ]
    const core = join(tree, 'lib/cmake/TritonCore')
    const options = [`-DCMAKE_PREFIX_PATH=${tree}`, `-DFETCHCONTENT_SOURCE_DIR_REPO-CORE=${core}`]
    const plugin = build('fetching', lines, ...options)
    expect(needed(plugin)).toContain('libtritonserver.so')
  })

  it('finds the package TritonCore', () => {
    const lines = [
      'find_package(TritonCore REQUIRED)',
      `add_library(triton_mine SHARED ${source})`,
      'target_link_libraries(triton_mine PRIVATE TritonCore::triton-core-serverapi',
      '  TritonCore::triton-core-backendapi TritonCore::triton-core-serverstub)',
    ]
    const plugin = build('finding', lines, `-DCMAKE_PREFIX_PATH=${tree}`)
    expect(needed(plugin)).toContain('libtritonserver.so')
  })
})

describe('docs/embedding.md', () => {
  const text = readFileSync(join(root, 'docs/embedding.md'), 'utf8')
  const block = (language: string) =>
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(text)![1] as string

  it.each([
    {
      language: 'c',
      compiler: 'cc',
      args: [],
      says: '"name":"digits","version":"1","state":"READY"',
    },
    {
      language: 'cpp',
      compiler: 'c++',
      args: [join(digits, 'data/images.f32')],
      says: `this image shows a ${readFileSync(join(digits, 'data/labels.u8'))[0]}\n`,
    },
  ])('has a program in $language that runs', ({ language, compiler, args, says }) => {
    const source = join(scratch, `program.${language}`)
    writeFileSync(source, block(language))
    const program = compile(compiler, source, `program-in-${language}`)
    expect(execute(program, [join(digits, 'models'), ...args])).toContain(says)
  })

  it('has a project for CMake', () => {
    const folder = join(scratch, 'project-source')
    mkdirSync(folder)
    writeFileSync(join(folder, 'hello.c'), block('c'))
    const head = 'cmake_minimum_required(VERSION 3.18)\nproject(hello LANGUAGES C)\n'
    writeFileSync(join(folder, 'CMakeLists.txt'), head + block('cmake'))
    const built = cmake('project', folder, `-DCMAKE_PREFIX_PATH=${tree}`)
    expect(execute(join(built, 'hello'), [join(digits, 'models')])).toContain('"digits"')
  })
})

describe('examples/python', () => {
  const python = spawnSync('python3', ['--version']).status === 0
  // Python is not built with the sanitizer of the library.
  const reason = python ? 'the library has a sanitizer' : 'there is no python3'
  const usable = python && compilerFlags.length === 0

  it.skipIf(!usable)(
    `classifies images with ctypes${usable ? '' : ` (not run: ${reason})`}`,
    () => {
      const client = join(examples, 'python/ctypes_client.py')
      const output = execute('python3', [client, library])
      expect(output).toContain('accuracy 98.06 % (353 of 360)\n360 images in ')
    },
  )
})
