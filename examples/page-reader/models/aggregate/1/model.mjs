import { Tensor } from 'trident'
import { aggregate } from './reading.mjs'

export default ({ logits, boxes, count }) => {
  const reading = aggregate(logits.data, boxes.data, count.data[0])
  return {
    digits: reading.digits,
    boxes: new Tensor('INT32', reading.boxes, [reading.digits.length, 4]),
    sum: Int32Array.of(reading.sum),
  }
}
