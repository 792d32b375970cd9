// Repositories that change: polls, several repositories, namespaces.
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runChild } from './support/child.js'
import { expectFailure } from './support/expect.js'
import { createServer, type ModelEvent, type Server } from './support/trident.js'

const folders: string[] = []
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'trident-test-'))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

/** Appears at once, as a whole. */
function writeModel(repository: string, name: string, size = 4): void {
  const draft = join(newFolder(), name)
  mkdirSync(join(draft, '1'), { recursive: true })
  writeFileSync(
    join(draft, 'config.pbtxt'),
    `backend: "identity"
     input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ ${size} ] } ]
     output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ ${size} ] } ]`,
  )
  rmSync(join(repository, name), { recursive: true, force: true })
  cpSync(draft, join(repository, `.${name}`), { recursive: true })
  renameSync(join(repository, `.${name}`), join(repository, name))
}

const readyNames = async (server: Server) =>
  (await server.index({ readyOnly: true })).map(({ name }) => name).sort()

describe("model control 'poll'", () => {
  const poll = { modelControl: 'poll', pollSettleTime: 1 } as const

  it('adds, changes and removes models', async () => {
    const folder = newFolder()
    writeModel(folder, 'stays')
    const pollInterval = 2 ** 31 - 1 // never by itself
    await using server = await createServer({ ...poll, modelRepository: folder, pollInterval })
    expect(await readyNames(server)).toEqual(['stays'])
    const stays = server.model('stays')

    writeModel(folder, 'comes', 2)
    await server.pollModelRepository()
    expect(await readyNames(server)).toEqual(['comes', 'stays'])
    const comes = server.model('comes')
    expect((await comes.infer({ INPUT0: new Float32Array(2) })).OUTPUT0!.shape).toEqual([2])

    writeModel(folder, 'comes', 3)
    await server.pollModelRepository()
    expect(comes.inputs[0]!.shape).toEqual([3])
    expect((await comes.infer({ INPUT0: new Float32Array(3) })).OUTPUT0!.shape).toEqual([3])

    rmSync(join(folder, 'comes'), { recursive: true })
    await server.pollModelRepository()
    expect(await readyNames(server)).toEqual(['stays'])
    await expectFailure(() => comes.infer({ INPUT0: new Float32Array(3) }), 'NOT_FOUND', "'comes'")
    await stays.infer({ INPUT0: new Float32Array(4) })
  })

  it('polls by itself', async () => {
    const folder = newFolder()
    writeModel(folder, 'old')
    let ready: (event: ModelEvent) => void = () => {}
    const events = (name: string) =>
      new Promise<ModelEvent>((resolve) => {
        ready = (event) => event.model === name && event.state === 'READY' && resolve(event)
      })
    await using server = await createServer({
      ...poll,
      modelRepository: folder,
      pollInterval: 5,
      onModelState: (event) => ready(event),
    })
    for (const name of ['one', 'two']) {
      const event = events(name)
      writeModel(folder, name)
      expect(await event).toMatchObject({ model: name, version: 1, reason: '' })
      await server.model(name).infer({ INPUT0: new Float32Array(4) })
    }
  })

  it('does not keep the process', async () => {
    const folder = newFolder()
    writeModel(folder, 'm')
    const { code, stderr } = await runChild(`
      import { createServer } from 'trident'
      await createServer({ modelRepository: ${JSON.stringify(folder)}, modelControl: 'poll', pollInterval: 1000 })
    `)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('refuses explicit loads, and the other modes refuse polls', async () => {
    const folder = newFolder()
    writeModel(folder, 'm')
    await using server = await createServer({ ...poll, modelRepository: folder })
    await expectFailure(() => server.loadModel('m'), 'UNAVAILABLE', 'polling')
    await expectFailure(() => server.unloadModel('m'), 'UNAVAILABLE', 'polling')
    await using other = await createServer({ modelRepository: folder })
    await expectFailure(() => other.pollModelRepository(), 'UNAVAILABLE', 'polling is disabled')
    await expectFailure(
      () => createServer({ modelControl: 'poll' }),
      'INVALID_ARG',
      'modelRepository',
    )
    const never = { ...poll, modelRepository: folder, pollInterval: 0 }
    await expect(createServer(never)).rejects.toThrow(/pollInterval/)
  })
})

describe('repositories', () => {
  it('come and go in explicit mode', async () => {
    const [first, second] = [newFolder(), newFolder()]
    writeModel(first, 'a')
    writeModel(second, 'b', 2)
    await using server = await createServer({ modelRepository: first, modelControl: 'explicit' })
    await expect(server.loadModel('b')).rejects.toThrow(/'b'/)
    await server.registerModelRepository(second)
    const b = await server.loadModel('b')
    await expectFailure(() => server.registerModelRepository(second), 'ALREADY_EXISTS', second)
    await server.unregisterModelRepository(second)
    await b.infer({ INPUT0: new Float32Array(2) }) // loaded models stay
    await expect(server.loadModel('b')).rejects.toThrow(/'b'/)
    await expect(server.unregisterModelRepository(second)).rejects.toThrow(second)
    await expect(server.registerModelRepository(join(second, 'no'))).rejects.toThrow(/not found/)
  })

  it('may give their models other names', async () => {
    const [first, second] = [newFolder(), newFolder()]
    writeModel(second, 'directory', 3)
    await using server = await createServer({ modelRepository: first, modelControl: 'explicit' })
    await server.registerModelRepository(second, { modelNames: { directory: 'name' } })
    const model = await server.loadModel('name')
    expect(model.inputs[0]!.shape).toEqual([3])
    const wrong = { modelNames: { directory: 1 } } as never
    await expect(server.registerModelRepository(second, wrong)).rejects.toThrow(TypeError)
  })

  it('unload an ensemble alone, or with the models that only it used', async () => {
    const folder = newFolder()
    writeModel(folder, 'inner')
    mkdirSync(join(folder, 'outer', '1'), { recursive: true })
    writeFileSync(
      join(folder, 'outer', 'config.pbtxt'),
      `platform: "ensemble"
       input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
       output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
       ensemble_scheduling { step [ { model_name: "inner" model_version: -1
         input_map { key: "INPUT0" value: "INPUT0" }
         output_map { key: "OUTPUT0" value: "OUTPUT0" } } ] }`,
    )
    await using server = await createServer({ modelRepository: folder, modelControl: 'explicit' })
    for (const dependents of [false, true]) {
      const outer = await server.loadModel('outer')
      expect(await readyNames(server)).toEqual(['inner', 'outer'])
      await outer.infer({ INPUT0: new Float32Array(4) })
      await server.unloadModel('outer', { dependents })
      expect(await readyNames(server)).toEqual(dependents ? [] : ['inner'])
    }
  })

  it('are for explicit mode only', async () => {
    const folder = newFolder()
    writeModel(folder, 'm')
    await using server = await createServer({ modelRepository: folder })
    await expectFailure(
      () => server.registerModelRepository(newFolder()),
      'UNSUPPORTED',
      'EXPLICIT',
    )
    await expectFailure(() => server.unregisterModelRepository(folder), 'UNSUPPORTED', 'EXPLICIT')
  })

  it('may have models of one name, with namespacing', async () => {
    const [first, second] = [newFolder(), newFolder()]
    writeModel(first, 'same', 2)
    writeModel(second, 'same', 3)
    writeModel(second, 'other', 4)
    await using server = await createServer({
      modelRepository: [first, second],
      modelNamespacing: true,
    })
    expect(server.model(`${first}::same`).inputs[0]!.shape).toEqual([2])
    const same = server.model(`${second}::same`)
    expect((await same.infer({ INPUT0: new Float32Array(3) })).OUTPUT0!.shape).toEqual([3])
    await server.model('other').infer({ INPUT0: new Float32Array(4) })
    await expectFailure(() => server.model('same'), 'INVALID_ARG', 'namespace')
  })
})
