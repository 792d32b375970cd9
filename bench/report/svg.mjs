// Plots as inline SVG: lines and histograms, with a legend. Colours are classes of the page.
import { binBegin } from '../load/samples.mjs'
import { formatShort } from './format.mjs'
import { makeScale } from './scale.mjs'

const size = { width: 560, height: 320 }
const area = { left: 64, right: 548, top: 14, bottom: 268 }

export function escapeText(text) {
  return String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

const round = (value) => Number(value.toFixed(1))

function text(x, y, anchor, content, extra = '') {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${extra}>${escapeText(content)}</text>`
}

function axes(xScale, yScale, { x, y }) {
  const marks = []
  for (const tick of xScale.ticks) {
    const at = round(xScale.place(tick))
    marks.push(`<line class="grid" x1="${at}" y1="${area.top}" x2="${at}" y2="${area.bottom}"/>`)
    marks.push(text(at, area.bottom + 16, 'middle', formatShort(tick)))
  }
  for (const tick of yScale.ticks) {
    const at = round(yScale.place(tick))
    marks.push(`<line class="grid" x1="${area.left}" y1="${at}" x2="${area.right}" y2="${at}"/>`)
    marks.push(text(area.left - 6, at + 4, 'end', formatShort(tick)))
  }
  const middle = (area.top + area.bottom) / 2
  marks.push(text((area.left + area.right) / 2, area.bottom + 36, 'middle', x.label))
  marks.push(text(14, middle, 'middle', y.label, ` transform="rotate(-90 14 ${middle})"`))
  return marks.join('')
}

function lineOf({ name, points }, index, xScale, yScale) {
  const places = points.map(([x, y]) => [round(xScale.place(x)), round(yScale.place(y))])
  const path = places.map(([x, y]) => `${x},${y}`).join(' ')
  const dots = places.map(([x, y], i) => {
    const [valueX, valueY] = points[i].map(formatShort)
    const label = `${escapeText(name)}: ${valueX}, ${valueY}`
    return `<circle cx="${x}" cy="${y}" r="3.5"><title>${label}</title></circle>`
  })
  return `<g class="s${index % 8}"><polyline points="${path}"/>${dots.join('')}</g>`
}

function legend(series) {
  const items = series.map(
    ({ name }, index) =>
      `<span class="key"><i class="s${index % 8}"></i>${escapeText(name)}</span>`,
  )
  return `<figcaption>${items.join(' ')}</figcaption>`
}

function usable([x, y], plot) {
  const fits = (value, axis) => Number.isFinite(value) && (!axis.log || value > 0)
  return fits(x, plot.x) && fits(y, plot.y)
}

function frame(plot, series, content) {
  const label = escapeText(plot.title)
  return (
    `<figure><h4>${label}</h4><svg viewBox="0 0 ${size.width} ${size.height}" role="img" ` +
    `aria-label="${label}">${content}</svg>${legend(series)}</figure>`
  )
}

/** @param plot { title, x: { label, log }, y: { label, log }, series: [{ name, points }] } */
export function linePlot(plot) {
  const series = plot.series
    .map(({ name, points }) => ({ name, points: points.filter((point) => usable(point, plot)) }))
    .filter(({ points }) => points.length > 0)
  const points = series.flatMap((one) => one.points)
  const xScale = makeScale(
    points.map(([x]) => x),
    [area.left, area.right],
    plot.x,
  )
  const yScale = makeScale(
    points.map(([, y]) => y),
    [area.bottom, area.top],
    plot.y,
  )
  const lines = series.map((one, index) => lineOf(one, index, xScale, yScale))
  return frame(plot, series, axes(xScale, yScale, plot) + lines.join(''))
}

/** The outline of bars, of which each says what share of the calls took that long. */
function outline(histogram, index, xScale, yScale, total) {
  const first = histogram.findIndex((count) => count > 0)
  const last = histogram.findLastIndex((count) => count > 0)
  const places = [`${round(xScale.place(binBegin(first)))},${area.bottom}`]
  for (let bin = first; bin <= last; bin++) {
    const height = round(yScale.place((histogram[bin] / total) * 100))
    places.push(`${round(xScale.place(binBegin(bin)))},${height}`)
    places.push(`${round(xScale.place(binBegin(bin + 1)))},${height}`)
  }
  places.push(`${round(xScale.place(binBegin(last + 1)))},${area.bottom}`)
  return `<g class="s${index % 8}"><polyline points="${places.join(' ')}"/></g>`
}

/** @param plot { title, series: [{ name, histogram }] } with counts by bin, as of Samples */
export function histogramPlot(plot) {
  const totals = plot.series.map(({ histogram }) => histogram.reduce((a, b) => a + b, 0))
  const series = plot.series.filter((_, index) => totals[index] > 0)
  const used = totals.filter((total) => total > 0)
  const times = series.flatMap(({ histogram }) =>
    histogram.flatMap((count, bin) => (count > 0 ? [binBegin(bin), binBegin(bin + 1)] : [])),
  )
  const shares = series.flatMap(({ histogram }, i) => histogram.map((n) => (n / used[i]) * 100))
  const xScale = makeScale(times, [area.left, area.right], { log: true })
  const yScale = makeScale(shares, [area.bottom, area.top])
  const labels = { x: { label: 'latency, us' }, y: { label: '% of calls' } }
  const lines = series.map(({ histogram }, i) => outline(histogram, i, xScale, yScale, used[i]))
  return frame(plot, series, axes(xScale, yScale, labels) + lines.join(''))
}
