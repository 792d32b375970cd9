// Which requests cross to native together.

/** A crossing has its price too: so many cross at least, if there are so many, */
const smallestBatch = 32
/** and at least so many of clients in step with the model. */
const smallestShare = 8

/**
 * Requests that may share a batch. Those made in one turn of the event loop cross together, but not
 * more than one execution takes: then the model starts while this thread goes on.
 *
 * Clients that wait for their answers before they ask again are in step with the model: in a turn
 * that brought answers they ask again, all at once. If they crossed all at once too, the model and
 * this thread would take turns, one idle while the other works. So they cross in as many shares as
 * there are workers: the instances, and this thread.
 */
export class Group {
  /** Items of one request. */
  readonly #items: number
  readonly #batch: number
  readonly #workers: number
  /** Items since the last crossing. */
  #waiting = 0
  /** Items from here to native and back. */
  #underWay = 0
  /** As many as were under way when the answers of this turn came; 0 in a turn without. */
  #inStep = 0
  /** The crossing that the two before belong to. */
  #crossing = -1

  constructor(maxBatchSize: number, instances: number, items: number) {
    this.#items = items
    this.#batch = Math.max(maxBatchSize, smallestBatch)
    this.#workers = instances + 1
  }

  /** One more request waits to cross. True: there are enough to cross now. */
  join(crossing: number): boolean {
    this.#startTurn(crossing)
    this.#waiting += this.#items
    this.#underWay += this.#items
    return this.#waiting >= this.#enough()
  }

  /** A request is under way that crossed by itself. */
  adopt(): void {
    this.#underWay += this.#items
  }

  /** A request has ended, or did not cross. */
  leave(crossing: number): void {
    this.#startTurn(crossing)
    if (this.#inStep === 0) this.#inStep = this.#underWay
    this.#underWay -= this.#items
  }

  #startTurn(crossing: number): void {
    if (this.#crossing === crossing) return
    this.#crossing = crossing
    this.#waiting = 0
    this.#inStep = 0
  }

  #enough(): number {
    if (this.#inStep === 0) return this.#batch
    const share = Math.ceil(this.#inStep / this.#workers)
    return Math.min(this.#batch, Math.max(smallestShare, share))
  }
}
