/** Names of all models, with what makes the bytes of each file. */
export const models: Readonly<Record<string, () => Uint8Array>>

/** Writes model `name` to the file `path`, and the directories above it. */
export function writeModel(path: string, name: string): void
