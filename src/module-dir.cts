// The directory of the compiled output. CommonJS in both builds, because only there is the answer
// spelled the same way: ES modules import it by its emitted name, './module-dir.cjs'.
export = __dirname
