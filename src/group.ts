// Which requests cross to native together.

/** A crossing has its price too: so many cross at least, if there are so many, */
const smallestBatch = 32
/** and at least so many when they cross in shares. */
const smallestShare = 8
/** So often in a row must all have asked again before they are taken for independent clients; */
const firstPatience = 16
/** twice as often after each time when that was wrong, up to this. */
const lastPatience = 4096

/**
 * Requests that may share a batch. Those made in one turn of the event loop cross together, but not
 * more than one execution takes: then the model starts while this thread goes on (or runs on it, if
 * it is known to be short).
 *
 * Clients that wait for their answers before they ask again fall into step with the model: all are
 * answered at once and ask again at once, and the model and this thread take turns, one idle while
 * the other works. Then they cross in as many shares as there are workers, the instances and this
 * thread, which keeps all of them busy. Whoever waits for all answers before he goes on, as with
 * Promise.all, gains nothing from that: the answers to the first share show it, because nobody asks
 * again, and his requests stay together.
 */
export class Group {
  /** Items of one request. */
  readonly #items: number
  readonly #batch: number
  readonly #workers: number
  /** Items from here to native and back. */
  #underWay = 0

  /** Items since the last crossing, and which one that was. */
  #waiting = 0
  #crossing = -1

  /** The last settlement: items under way before it, answered in it, and made since. */
  #settlement = -1
  #before = 0
  #answered = 0
  #joined = 0

  /** Times in a row that as many as before were answered at once and asked again. */
  #inStep = 0
  #lastBefore = 0
  #patience = firstPatience
  #shares = false

  constructor(maxBatchSize: number, instances: number, items: number) {
    this.#items = items
    this.#batch = Math.max(maxBatchSize, smallestBatch)
    this.#workers = instances + 1
  }

  /** One more request waits for the next crossing. True: there are enough to cross now. */
  join(crossing: number): boolean {
    if (this.#crossing !== crossing) {
      this.#crossing = crossing
      this.#waiting = 0
    }
    this.#waiting += this.#items
    this.#underWay += this.#items
    this.#joined += this.#items
    return this.#waiting >= this.#enough()
  }

  /** A request is under way that crossed by itself. */
  adopt(): void {
    this.#underWay += this.#items
  }

  /** A request did not cross after all. */
  withdraw(): void {
    this.#waiting -= this.#items
    this.#underWay -= this.#items
    this.#joined -= this.#items
  }

  /** A request has ended; those that arrived together have one settlement. */
  leave(settlement: number): void {
    if (this.#settlement !== settlement) {
      this.#judge()
      this.#settlement = settlement
      this.#before = this.#underWay
      this.#answered = 0
      this.#joined = 0
    }
    this.#underWay -= this.#items
    this.#answered += this.#items
  }

  /** What the last settlement says of the clients. */
  #judge(): void {
    const allAtOnce = this.#answered === this.#before
    // Few clients cross together in any case.
    const many = this.#before > smallestShare
    if (this.#shares) {
      if (many && (allAtOnce || this.#joined > 0)) return
      this.#shares = false
      this.#inStep = 0
      if (many) this.#patience = Math.min(2 * this.#patience, lastPatience)
      return
    }
    const asBefore = this.#joined === this.#answered && this.#before === this.#lastBefore
    this.#inStep = many && allAtOnce && asBefore ? this.#inStep + 1 : 0
    this.#lastBefore = this.#before
    this.#shares = this.#inStep >= this.#patience
  }

  #enough(): number {
    if (!this.#shares) return this.#batch
    const share = Math.ceil(this.#before / this.#workers)
    return Math.min(this.#batch, Math.max(smallestShare, share))
  }
}
