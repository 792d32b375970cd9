// The results as one HTML page: complete in itself, readable without scripts, light and dark.
import { formatNumber } from './format.mjs'
import { escapeText, histogramPlot, linePlot } from './svg.mjs'

const light = [
  '#2563c9',
  '#d9480f',
  '#2b8a3e',
  '#9c36b5',
  '#0b7285',
  '#b08900',
  '#c2255c',
  '#5c636a',
]
const dark = [
  '#74a9ff',
  '#ff9d66',
  '#69d58c',
  '#dd8df0',
  '#5ccfe0',
  '#f0c74a',
  '#ff8ab0',
  '#adb5bd',
]
const seriesColors = (colors) => colors.map((color, i) => `--s${i}:${color}`).join(';')
const seriesClasses = light
  .map((_, i) => `.s${i}{color:var(--s${i});stroke:var(--s${i});fill:var(--s${i})}`)
  .join('')

const style = `
:root{color-scheme:light dark;--ink:#1c2126;--soft:#5b6670;--line:#d9dee3;--paper:#fff;--good:#2b8a3e;--bad:#c92a2a;${seriesColors(light)}}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa5b0;--line:#363d44;--paper:#14181c;--good:#69d58c;--bad:#ff8a8a;${seriesColors(dark)}}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1200px;margin:0 auto;padding:24px}
h1{font-size:26px}h2{margin-top:48px;border-bottom:1px solid var(--line)}h3,h4{margin:24px 0 6px;font-weight:600}h4{font-size:14px}
p,figcaption,caption{color:var(--soft)}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:3px 14px 3px 0;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child,td.text{text-align:left}th{font-weight:600}
.yes{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:20px}
figure{margin:0}figcaption{font-size:13px}svg{width:100%;height:auto}
svg text{font-size:12px;fill:var(--soft)}.grid{stroke:var(--line);stroke-width:1}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}svg g circle{stroke:none}
${seriesClasses}polyline{fill:none}
.key{margin-right:14px;white-space:nowrap}.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:5px;background:currentColor;vertical-align:-1px}
`.trim()

function cell(value) {
  const kind = typeof value === 'boolean' ? ` class="${value ? 'yes' : 'no'}"` : ''
  return `<td${kind}>${escapeText(formatNumber(value))}</td>`
}

function table({ title, columns, rows }) {
  const head = columns.map((name) => `<th scope="col">${escapeText(name)}</th>`).join('')
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')
  return (
    `${title ? `<h3>${escapeText(title)}</h3>` : ''}<div class="scroll"><table><thead><tr>${head}` +
    `</tr></thead><tbody>\n${body}\n</tbody></table></div>`
  )
}

const plot = (one) => (one.kind === 'histogram' ? histogramPlot(one) : linePlot(one))

function section({ id, title, notes = [], tables = [], plots = [] }) {
  return [
    `<section id="${escapeText(id)}"><h2>${escapeText(title)}</h2>`,
    ...notes.map((note) => `<p>${escapeText(note)}</p>`),
    ...tables.map(table),
    plots.length > 0 ? `<div class="plots">${plots.map(plot).join('\n')}</div>` : '',
    '</section>',
  ].join('\n')
}

/**
 * @param machine what `describeMachine` gives
 * @param sections [{ id, title, notes, tables, plots }], in the page's order
 */
export function pageOf(machine, sections) {
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`)
  const links = sections.map(
    ({ id, title }) => `<a href="#${escapeText(id)}">${escapeText(title)}</a>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trident benchmark</title><style>${style}</style></head>
<body><h1>Trident benchmark</h1>
<p>${escapeText(facts.join(' · '))}</p>
<nav><p>${links.join(' · ')}</p></nav>
${sections.map(section).join('\n')}
</body></html>
`
}
