// Encodes ONNX model files. Only the messages and fields that make-models.mjs needs; names and
// numbers are those of the ONNX format.

import protobuf from 'protobufjs'

const field = (type, id, rule) => ({ type, id, ...(rule && { rule }) })
const repeated = (type, id) => field(type, id, 'repeated')

const schema = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: field('int64', 1),
        producerName: field('string', 2),
        graph: field('GraphProto', 7),
        opsetImport: repeated('OperatorSetIdProto', 8),
      },
    },
    OperatorSetIdProto: { fields: { domain: field('string', 1), version: field('int64', 2) } },
    GraphProto: {
      fields: {
        node: repeated('NodeProto', 1),
        name: field('string', 2),
        initializer: repeated('TensorProto', 5),
        input: repeated('ValueInfoProto', 11),
        output: repeated('ValueInfoProto', 12),
      },
    },
    NodeProto: {
      fields: {
        input: repeated('string', 1),
        output: repeated('string', 2),
        name: field('string', 3),
        opType: field('string', 4),
        attribute: repeated('AttributeProto', 5),
      },
    },
    AttributeProto: {
      fields: { name: field('string', 1), i: field('int64', 3), type: field('int32', 20) },
    },
    TensorProto: {
      fields: {
        dims: { ...repeated('int64', 1), options: { packed: false } },
        dataType: field('int32', 2),
        name: field('string', 8),
        rawData: field('bytes', 9),
        externalData: repeated('StringStringEntryProto', 13),
        dataLocation: field('int32', 14),
      },
    },
    StringStringEntryProto: { fields: { key: field('string', 1), value: field('string', 2) } },
    ValueInfoProto: { fields: { name: field('string', 1), type: field('TypeProto', 2) } },
    TypeProto: { fields: { tensorType: field('TensorType', 1) } },
    TensorType: { fields: { elemType: field('int32', 1), shape: field('ShapeProto', 2) } },
    ShapeProto: { fields: { dim: repeated('DimensionProto', 1) } },
    DimensionProto: { fields: { dimValue: field('int64', 1), dimParam: field('string', 2) } },
  },
})

const elementTypes = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
}
const attributeTypeInt = 2
const dataLocationExternal = 1
const irVersion = 10
const opset = 21

/** An input of the graph. A dimension is a number, or the name of a variable one. */
export function input(name, type, shape) {
  const dim = shape.map((size) =>
    typeof size === 'number' ? { dimValue: size } : { dimParam: size },
  )
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } }
}

export const output = input

/** A constant. `external` = { location, offset, length } names the file that holds its data. */
export function tensor(name, type, dims, data, external) {
  const constant = { name, dataType: elementTypes[type], dims }
  if (!external) {
    return { ...constant, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
  }
  const externalData = Object.entries(external).map(([key, value]) => ({ key, value: `${value}` }))
  return { ...constant, externalData, dataLocation: dataLocationExternal }
}

/** An operation; attributes are integers. */
export function node(opType, inputs, outputs, attributes = {}) {
  const attribute = Object.entries(attributes).map(([name, i]) => ({
    name,
    i,
    type: attributeTypeInt,
  }))
  return { opType, name: `${opType}_${outputs[0]}`, input: inputs, output: outputs, attribute }
}

/** The bytes of an ONNX file. */
export function encodeModel({ nodes, initializers = [], inputs, outputs }) {
  const ModelProto = schema.lookupType('ModelProto')
  const graph = {
    name: 'graph',
    node: nodes,
    initializer: initializers,
    input: inputs,
    output: outputs,
  }
  const opsetImport = [{ domain: '', version: opset }]
  return ModelProto.encode({ irVersion, producerName: 'trident-test', graph, opsetImport }).finish()
}
