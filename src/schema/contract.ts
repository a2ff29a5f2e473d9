/** The vocabulary of structural schemas (apiextensions.k8s.io/v1 JSONSchemaProps), knowing no kind. */

/** A CEL rule as in x-kubernetes-validations. */
export type ValidationRule = {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate';
  fieldPath?: string;
  optionalOldSelf?: boolean;
};

/** https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/#JSONSchemaProps */
export type JsonSchema = {
  type?: string;
  description?: string;
  format?: string;
  title?: string;
  default?: unknown;
  example?: unknown;
  enum?: readonly unknown[];
  nullable?: boolean;
  properties?: { [name: string]: JsonSchema };
  additionalProperties?: boolean | JsonSchema;
  required?: readonly string[];
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minProperties?: number;
  maxProperties?: number;
  oneOf?: readonly JsonSchema[];
  anyOf?: readonly JsonSchema[];
  allOf?: readonly JsonSchema[];
  not?: JsonSchema;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: readonly string[];
  'x-kubernetes-map-type'?: 'atomic' | 'granular';
  'x-kubernetes-validations'?: readonly ValidationRule[];
};

/** The cause names of metav1.StatusCause (field.ErrorType in apimachinery). */
export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueTypeInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueNotFound'
  | 'InternalError';

/** One field error. `message` is the whole text without the path, as kube-apiserver words it. */
export type FieldError = { type: FieldErrorType; field: string; message: string };

export type ValidateOptions = {
  /** The stored object, for transition rules and for ratcheting (unchanged parts that have become invalid pass). */
  old?: unknown;
  /** The object is known to be wrong already, so its rules are not judged. */
  blocked?: boolean;
};

/** A schema made ready once and used for each request. Objects are plain JSON values. */
export type CompiledSchema = {
  readonly schema: JsonSchema;
  /** Removes fields the schema does not name, in place; returns their paths (`spec.disks[0].sise`), sorted. metadata, apiVersion and kind of the root stay. */
  prune(object: unknown): string[];
  /** Fills defaults in place, and takes out nulls that may not be. */
  applyDefaults(object: unknown): void;
  /** Types, bounds, patterns, formats, list types, then CEL rules; at most 10 errors a rule kind so that answers stay small. */
  validate(object: unknown, options?: ValidateOptions): FieldError[];
};
