/**
 * The OpenAPI v2 document as Go clients read it: gnostic's protobuf of Swagger, as far as our documents go.
 * https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto
 */
import { printJson } from '../../schema/json.ts';
import {
  double,
  entries,
  type FieldWriter,
  inside,
  int64,
  type MessageTable,
  message,
  messageBytes,
  named,
  repeated,
  text,
  truth,
} from '../wire/protowriter.ts';
import type { OpenApiV2 } from './v2.ts';

/** Any: a value as YAML, which JSON is. */
const any: FieldWriter = (number, value, out) => inside(2, text)(number, printJson(value), out);

const extensions = (number: number) => ({
  number,
  takes: (name: string) => name.startsWith('x-'),
  write: named(any),
});

/** Schemas hold schemas, so the table is found when it is needed. */
const schema: FieldWriter = (number, value, out) => message(schemaTable, extensions(31))(number, value, out);

const additionalProperties: FieldWriter = (number, value, out) =>
  typeof value === 'boolean' ? inside(2, truth)(number, value, out) : inside(1, schema)(number, value, out);

const schemaTable: MessageTable = {
  $ref: [1, text],
  format: [2, text],
  title: [3, text],
  description: [4, text],
  default: [5, any],
  multipleOf: [6, double],
  maximum: [7, double],
  exclusiveMaximum: [8, truth],
  minimum: [9, double],
  exclusiveMinimum: [10, truth],
  maxLength: [11, int64],
  minLength: [12, int64],
  pattern: [13, text],
  maxItems: [14, int64],
  minItems: [15, int64],
  uniqueItems: [16, truth],
  maxProperties: [17, int64],
  minProperties: [18, int64],
  required: [19, repeated(text)],
  enum: [20, repeated(any)],
  additionalProperties: [21, additionalProperties],
  type: [22, inside(1, text)],
  items: [23, inside(1, schema)],
  allOf: [24, repeated(schema)],
  properties: [25, inside(1, entries(schema))],
  example: [30, any],
};

const queryParameter = message({
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  uniqueItems: [20, truth],
});

/** A parameter is one of several things, and each of those again; ours are all of the query. */
const parameter = inside(1, inside(2, inside(3, queryParameter)));

const response = message({ description: [1, text], schema: [2, inside(1, schema)] });

const operation = message(
  {
    description: [3, text],
    operationId: [5, text],
    produces: [6, repeated(text)],
    consumes: [7, repeated(text)],
    parameters: [8, repeated(parameter)],
    responses: [9, inside(1, entries(inside(1, response)))],
  },
  extensions(13),
);

const documentTable: MessageTable = {
  swagger: [1, text],
  info: [2, message({ title: [1, text], version: [2, text] })],
  paths: [8, inside(2, entries(message({ patch: [8, operation] })))],
  definitions: [9, inside(1, entries(schema))],
};

/** The bytes of a document. */
export function openApiV2Bytes(document: OpenApiV2): Buffer {
  return messageBytes(document, documentTable);
}
