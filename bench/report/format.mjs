// Numbers and tables as text.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** Three digits that matter; '-' for what was not measured. */
export function formatNumber(value) {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return whole.format(value)
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3)
}

/** As on the axis of a plot: 1200000 is 1.2M. */
export function formatShort(value) {
  const [limit, unit] = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ].find(([least]) => Math.abs(value) >= least) ?? [1, '']
  return `${Number((value / limit).toPrecision(3))}${unit}`
}

/** @param columns what each shows of a row: the name of a figure, or a function of the row */
export function tableOf(title, rows, columns) {
  const shown = Object.values(columns).map((of) =>
    typeof of === 'function' ? of : (row) => row[of],
  )
  return {
    title,
    columns: Object.keys(columns),
    rows: rows.map((row) => shown.map((of) => of(row))),
  }
}

/** The first column to the left, all others to the right. */
export function tableText({ title, columns, rows }) {
  const lines = [columns, ...rows.map((row) => row.map(formatNumber))]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i].length)))
  const text = lines.map((line) => {
    const cells = line.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
    )
    return `  ${cells.join('  ')}`.trimEnd()
  })
  return [...(title ? [`\n${title}`] : ['']), ...text].join('\n')
}
