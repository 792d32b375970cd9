#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { type TypesCommand, writeTypes } from './types.js'

const usage = `Usage: trident types <repository> [--out <file>] [--models <name>,...] [--check]

Writes what the models of a repository take and give as TypeScript declarations: with them the
compiler checks names, datatypes and ranks of requests. All models are loaded, one by one.

  --out <file>         the file to write, for example src/models.d.ts; stdout unless given
  --models <name>,...  these models only
  --check              write nothing, and fail when the file is not what would be written

Exit code: 0 done, 1 a model can't be described or the file differs, 2 wrong usage.
`

class UsageError extends Error {}

function readTypes(args: string[]): TypesCommand {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      models: { type: 'string' },
      check: { type: 'boolean', default: false },
    },
  })
  const [repository, ...rest] = positionals
  if (repository === undefined) throw new UsageError('types needs a model repository')
  if (rest.length > 0) throw new UsageError(`types takes one repository, got also '${rest[0]}'`)
  const models = values.models?.split(',')
  if (models?.includes('')) throw new UsageError('--models takes names, separated by commas')
  const { out, check } = values
  if (check && out === undefined) throw new UsageError('--check needs --out, the file to check')
  return { repository, models, out, check }
}

async function run([command, ...args]: string[]): Promise<void> {
  if (command === undefined) throw new UsageError('a command is needed')
  if (command === 'help' || args.concat(command).some((arg) => /^(-h|--help)$/.test(arg))) {
    process.stdout.write(usage)
  } else if (command === 'types') {
    await writeTypes(readTypes(args))
  } else {
    throw new UsageError(`unknown command '${command}'`)
  }
}

function isWrongUsage(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return error instanceof UsageError || String(code).startsWith('ERR_PARSE_ARGS')
}

try {
  await run(process.argv.slice(2))
} catch (error) {
  const wrongUsage = isWrongUsage(error)
  console.error(`trident: ${(error as Error).message}${wrongUsage ? `\n\n${usage}` : ''}`)
  process.exitCode = wrongUsage ? 2 : 1
}
