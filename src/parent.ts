/** What requests to other models are made for: the request of an execution that is under way. */
export interface Parent {
  readonly execution: number
  readonly request: number
  readonly givenUp: boolean
  /** `stop` is called when nobody waits for it any more, unless it is forgotten before. */
  whenGivenUp(stop: () => void): void
  forget(stop: () => void): void
}
