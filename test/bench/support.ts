// The benchmark's own modules: plain JavaScript, so without types.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../api/support/trident.js'

// biome-ignore lint/suspicious/noExplicitAny: plain JavaScript has no types
export type Untyped = any

export function load(file: string): Promise<Untyped> {
  return import(/* @vite-ignore */ pathToFileURL(join(root, 'bench', file)).href)
}

/**
 * Checks that the tags of a page close in order, and gives those it has seen.
 *
 * @throws Error naming the tag that does not fit
 */
export function readTags(html: string): string[] {
  const open: string[] = []
  const seen: string[] = []
  const empty = new Set(['meta', 'br', 'hr', 'img', 'link', 'input'])
  const withoutText = html.replace(/<!doctype html>/i, '').replace(/<style>[^<]*<\/style>/g, '')
  for (const [tag, end, name, rest] of withoutText.matchAll(/<(\/?)([a-z][a-z0-9]*)([^<>]*)>/g)) {
    if (end) {
      const last = open.pop()
      if (last !== name) throw new Error(`${tag} closes <${last}>`)
      continue
    }
    if (!/^(\s+[\w:-]+="[^"<>]*")*\s*\/?$/.test(rest!)) throw new Error(`attributes of ${tag}`)
    seen.push(name!)
    if (!rest!.endsWith('/') && !empty.has(name!)) open.push(name!)
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`)
  if (/&(?!#\d+;)/.test(withoutText)) throw new Error('an ampersand that is not escaped')
  return seen
}
