// `import` as it is, for ES modules too. A file of its own, because in the CommonJS build the
// compiler would make it a `require`: both builds take the one of the ES module build.
const importModule = (url: string): Promise<Record<string, unknown>> => import(url)
export = importModule
