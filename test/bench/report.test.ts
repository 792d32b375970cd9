// The benchmark's page: plots with honest scales, well-formed HTML that needs nothing from outside.
import { describe, expect, it } from 'vitest'
import { load, readTags } from './support.js'

const scale = await load('report/scale.mjs')
const format = await load('report/format.mjs')
const page = await load('report/page.mjs')
const ratios = await load('ratios.mjs')

describe('scales', () => {
  it('a linear one begins at zero and keeps proportions', () => {
    const { place, ticks, domain } = scale.makeScale([20, 100], [0, 210])
    expect(domain).toEqual([0, 105])
    expect(place(0)).toBe(0)
    expect(place(105)).toBe(210)
    expect(place(50)).toBeCloseTo(100)
    expect(ticks).toEqual([0, 50, 100])
  })

  it('a logarithmic one gives each decade the same room', () => {
    const { place, ticks } = scale.makeScale([2, 900], [300, 0], { log: true })
    expect(ticks).toEqual([1, 10, 100, 1000])
    expect(place(1)).toBeCloseTo(300)
    expect(place(10)).toBeCloseTo(200)
    expect(place(1000)).toBeCloseTo(0)
  })

  it('has room and marks for one value, for none and for values that are no numbers', () => {
    for (const values of [[5], [], [Number.NaN, 5], [0]]) {
      for (const log of [false, true]) {
        const { place, ticks, domain } = scale.makeScale(values, [0, 100], { log })
        expect(domain[1]).toBeGreaterThan(domain[0])
        expect(place(domain[1])).toBeCloseTo(100)
        expect(ticks.length).toBeGreaterThan(1)
      }
    }
  })
})

describe('numbers', () => {
  it.each([
    [1234567.8, '1,234,568'],
    [12.345, '12.3'],
    [1.234, '1.23'],
    [0.0123, '0.012'],
    [64, '64'],
    [Number.NaN, '-'],
    [true, 'yes'],
    ['digits', 'digits'],
  ])('%s is %s', (value, text) => {
    expect(format.formatNumber(value)).toBe(text)
  })

  it('a table shows figures by name, and what functions make of them', () => {
    const table = format.tableOf('T', [{ name: 'a', share: 0.5 }], {
      '': 'name',
      '%': ({ share }: { share: number }) => share * 100,
    })
    expect(table).toEqual({ title: 'T', columns: ['', '%'], rows: [['a', 50]] })
  })

  it('tables align their columns', () => {
    const text = format.tableText({
      title: 'T',
      columns: ['', 'us'],
      rows: [
        ['a', 1],
        ['bb', 10],
      ],
    })
    expect(text.split('\n')).toEqual(['', 'T', '      us', '  a    1', '  bb  10'])
  })
})

const machine = { cpu: 'a <fast> "one" & only', cores: 2 }
const histogram = new Array(80).fill(0).map((_, i) => (i > 20 && i < 30 ? i : 0))
const sections = () => [
  {
    id: 'first',
    title: 'First & <last>',
    notes: ['5 < 6 & "quoted"'],
    tables: [
      {
        title: 'T',
        columns: ['', 'a<b'],
        rows: [
          ['x & y', 1.5],
          ['none', Number.NaN],
        ],
      },
    ],
    plots: [
      {
        title: 'Curve',
        x: { label: 'x', log: true },
        y: { label: 'y "z"' },
        series: [
          {
            name: 'a & b',
            points: [
              [1, 2],
              [10, 4],
              [0, 3],
              [5, Number.NaN],
            ],
          },
          { name: 'nothing', points: [] },
        ],
      },
      { kind: 'histogram', title: 'H', series: [{ name: 'h', histogram }] },
      { kind: 'histogram', title: 'empty', series: [] },
    ],
  },
  { id: 'second', title: 'Only a title' },
]

describe('the page', () => {
  it('is well formed, with what was put in', () => {
    const html = page.pageOf(machine, sections())
    const tags = readTags(html)
    expect(tags.filter((tag) => tag === 'svg')).toHaveLength(3)
    expect(tags.filter((tag) => tag === 'section')).toHaveLength(2)
    expect(tags.filter((tag) => tag === 'tr')).toHaveLength(3)
    // Two points of four can be shown on these scales.
    expect(tags.filter((tag) => tag === 'circle')).toHaveLength(2)
    expect(html).toContain('5 &#60; 6 &#38; &#34;quoted&#34;')
    expect(html).not.toContain('NaN')
    expect(html).not.toContain('undefined')
  })

  it('draws inside of its plots, larger values higher up and further right', () => {
    const html: string = page.pageOf(machine, sections())
    const lines = [...html.matchAll(/<polyline points="([^"]*)"/g)].map((match) =>
      match[1]!.split(' ').map((point) => point.split(',').map(Number)),
    )
    expect(lines).toHaveLength(2)
    for (const [x, y] of lines.flat()) {
      expect(x! >= 64 && x! <= 548 && y! >= 14 && y! <= 268, `${x},${y}`).toBe(true)
    }
    const [[x1, y1], [x2, y2]] = lines[0] as [[number, number], [number, number]]
    expect(x2).toBeGreaterThan(x1)
    expect(y2).toBeLessThan(y1)
  })

  it('shows what was reached and what was not', () => {
    const table = {
      title: '',
      columns: ['', 'reached'],
      rows: [
        ['a', true],
        ['b', false],
      ],
    }
    const html = page.pageOf(machine, [{ id: 'ratios', title: 'Ratios', tables: [table] }])
    expect(html).toContain('<td>a</td><td class="yes">yes</td>')
    expect(html).toContain('<td>b</td><td class="no">no</td>')
  })

  it('needs nothing from outside and no script', () => {
    const html = page.pageOf(machine, sections())
    expect(html).not.toMatch(/https?:|\/\/\w|src=|@import|url\(|<script|<link|<iframe/i)
    const targets = [...html.matchAll(/href="([^"]*)"/g)].map((match) => match[1])
    expect(targets).toEqual(['#first', '#second'])
  })

  it('is readable in the light and in the dark', () => {
    const html: string = page.pageOf(machine, sections())
    const used = new Set([...html.matchAll(/var\((--\w+)\)/g)].map((match) => match[1]))
    const [light, dark] = html.split('prefers-color-scheme:dark') as [string, string]
    for (const name of used) {
      expect(light, name).toContain(`${name}:`)
      expect(dark, name).toContain(`${name}:`)
    }
  })

  it('the check finds what is wrong', () => {
    expect(() => readTags('<p><b></p></b>')).toThrow('closes')
    expect(() => readTags('<p>')).toThrow('never closed')
    expect(() => readTags('<p a=b></p>')).toThrow('attributes')
    expect(() => readTags('<p>a & b</p>')).toThrow('ampersand')
  })
})

describe('promises', () => {
  it('are reached, missed or not measured', () => {
    const of = (peer: string, p50: number) => [`digits/${peer}/1/p50Us`, p50]
    const facts = Object.fromEntries([
      of('trident prepared sync', 11),
      of('trident inferSync', 15),
      of('raw C API, static batch', 10),
    ])
    const rows: unknown[][] = ratios.ratioRows(facts)
    const rowOf = (what: string) => rows.find(([name]) => name === what)
    expect(rowOf('prepared.sync to the C API, digits')).toEqual([
      'prepared.sync to the C API, digits',
      '<= 1.15 x',
      1.1,
      true,
      1,
    ])
    expect(rowOf('inferSync to the C API, digits')![3]).toBe(false)
    expect(rowOf('prepared.sync to the C API, mlp64')![3]).toBe('-')
    expect(rows.length).toBeGreaterThanOrEqual(25)
  })
})
