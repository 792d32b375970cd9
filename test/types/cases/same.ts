/** Compiles only where the two types are the same. */
export function same<A, B>(..._: Same<A, B> extends true ? [] : ['the types differ', A, B]): void {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
