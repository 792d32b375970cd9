/** Calls somebody who is told of something: the caller goes on, what is thrown fails as any callback. */
export function tell(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}
