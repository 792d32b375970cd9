import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectFailure } from './support/expect.js'
import { identityConfig } from './support/identity.js'
import { testBackends } from './support/repeat.js'
import { createServer, type ModelConfig, type Server } from './support/trident.js'

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)
const sum = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')

let server: Server
beforeAll(async () => {
  server = await createServer({ logLevel: 'silent' })
})
afterAll(() => server.close())

function load(on: Server, agent: string, parameters: Record<string, string>) {
  const config: ModelConfig = identityConfig({
    config: { modelRepositoryAgents: { agents: [{ name: agent, parameters }] } },
  })
  return on.loadModel({ name: 'guarded', config, files: { '1/weights': bytes } })
}

it('checksum lets files through that have the sums given', async () => {
  const parameters = { 'MD5:1/weights': sum('md5'), 'SHA256:1/weights': sum('sha256') }
  const model = await load(server, 'checksum', parameters)
  const data = Float32Array.of(1, 2, 3, 4)
  expect((await model.infer({ INPUT0: data })).OUTPUT0?.data).toEqual(data)
  expect((await model.config()).modelRepositoryAgents?.agents).toEqual([
    { name: 'checksum', parameters },
  ])
  await server.unloadModel('guarded')
})

it('checksum refuses others', async () => {
  const wrong = { 'SHA256:1/weights': '0'.repeat(64) }
  await expectFailure(() => load(server, 'checksum', wrong), 'INVALID_ARG', sum('sha256'))
  await expectFailure(() => load(server, 'checksum', { crc: '' }), 'INVALID_ARG', 'key: crc')
})

it('repositoryAgentDirectory has other agents', async () => {
  await expectFailure(() => load(server, 'recorder', {}), 'INVALID_ARG', "repo agent 'recorder'")
  const repositoryAgentDirectory = join(testBackends, '../test_repoagents')
  await using other = await createServer({ repositoryAgentDirectory, logLevel: 'silent' })
  await expectFailure(() => load(other, 'recorder', { fail: 'LOAD' }), 'UNAVAILABLE', 'not today')
  await expect(load(other, 'recorder', {})).resolves.toBeDefined()
  await expect(createServer({ repositoryAgentDirectory: '' })).rejects.toThrow(
    'repositoryAgentDirectory',
  )
})
