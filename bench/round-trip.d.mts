export interface RoundTrips {
  calls: number
  p50Us: number
  p90Us: number
  p99Us: number
}

/** Round trips from the JS thread to a waiting thread and back, one after another. */
export function measureRoundTrip(count?: number): Promise<RoundTrips>
