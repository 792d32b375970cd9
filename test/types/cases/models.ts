// The models of the cases, declared as an application declares its own.
declare module 'trident' {
  interface ModelTypes {
    digits: {
      inputs: { image: { datatype: 'FP32'; shape: [number, 1, 8, 8] } }
      outputs: {
        logits: { datatype: 'FP32'; shape: [number, 10] }
        label: { datatype: 'BYTES'; shape: [number, 1] }
      }
    }
    /** More than one variable dimension, and an input that may be missing. */
    pages: {
      inputs: {
        page: { datatype: 'UINT8'; shape: [number, number, number] }
        hint: { datatype: 'INT64'; shape: [1]; optional: true }
      }
      outputs: { boxes: { datatype: 'INT32'; shape: [number, 4] } }
    }
    counter: {
      inputs: { upTo: { datatype: 'INT32'; shape: [1] } }
      outputs: { count: { datatype: 'INT32'; shape: [1] } }
      decoupled: true
    }
  }
}

export {}
