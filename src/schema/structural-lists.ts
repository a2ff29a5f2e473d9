/** What x-kubernetes-list-type and x-kubernetes-map-type demand of the schema around them. */
import type { FieldError, JsonSchema } from './contract.ts';
import { forbidden, invalid, required, unsupported } from './errors.ts';
import { childPath, keyPath } from './paths.ts';

const listTypes = ['atomic', 'set', 'map'];
const mapTypes = ['atomic', 'granular'];

/** Checks the list type and the map type of one place. */
export function checkListType(schema: JsonSchema, path: string, errors: FieldError[]): void {
  const listType = schema['x-kubernetes-list-type'];
  const mapType = schema['x-kubernetes-map-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const at = (name: string) => childPath(path, name);
  if (listType !== undefined) {
    if (!listTypes.includes(listType)) {
      errors.push(unsupported(at('x-kubernetes-list-type'), listType, listTypes));
    }
    if (schema.type !== 'array') {
      const detail = 'must be array if x-kubernetes-list-type is specified';
      errors.push(invalid(at('type'), schema.type ?? '', detail));
    }
  }
  if (mapType !== undefined) {
    if (!mapTypes.includes(mapType)) errors.push(unsupported(at('x-kubernetes-map-type'), mapType, mapTypes));
    if (schema.type !== 'object') {
      const detail = 'must be object if x-kubernetes-map-type is specified';
      errors.push(invalid(at('type'), schema.type ?? '', detail));
    }
  }
  if (keys.length > 0 && listType !== 'map') {
    const detail = 'must be map if x-kubernetes-list-map-keys is non-empty';
    errors.push(
      listType === undefined
        ? required(at('x-kubernetes-list-type'), detail)
        : invalid(at('x-kubernetes-list-type'), listType, detail),
    );
  }
  if (listType === 'map') checkMapKeys(schema, keys, path, errors);
  if (listType === 'set') checkSetItems(schema, path, errors);
}

function checkMapKeys(schema: JsonSchema, keys: readonly string[], path: string, errors: FieldError[]): void {
  const keysPath = childPath(path, 'x-kubernetes-list-map-keys');
  const itemsPath = childPath(path, 'items');
  if (keys.length === 0) {
    errors.push(required(keysPath, 'must not be empty if x-kubernetes-list-type is map'));
  }
  const { items } = schema;
  if (!items) return;
  if (items.type !== 'object') {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    errors.push(invalid(childPath(itemsPath, 'type'), items.type ?? '', detail));
  }
  for (const [index, key] of keys.entries()) {
    const keyAt = keyPath(childPath(itemsPath, 'properties'), key);
    const property = items.properties?.[key];
    if (keys.indexOf(key) < index) {
      errors.push(invalid(keysPath, keys, 'must not contain duplicate entries'));
    }
    if (!property) {
      const detail = 'entries must all be names of item properties';
      errors.push(invalid(keysPath, keys, detail));
      continue;
    }
    if (property.type === 'array' || property.type === 'object') {
      const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalid(childPath(keyAt, 'type'), property.type, detail));
    }
    if (property.nullable) {
      const detail = "cannot be nullable if parent array's x-kubernetes-list-type is map";
      errors.push(forbidden(childPath(keyAt, 'nullable'), detail));
    }
    if (property.default === undefined && !items.required?.includes(key)) {
      const detail =
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      errors.push(required(childPath(keyAt, 'default'), detail));
    }
  }
}

function checkSetItems({ items }: JsonSchema, path: string, errors: FieldError[]): void {
  if (!items) return;
  const itemsPath = childPath(path, 'items');
  if (items.nullable) {
    errors.push(
      forbidden(childPath(itemsPath, 'nullable'), 'cannot be nullable when x-kubernetes-list-type is set'),
    );
  }
  if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic') {
    const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
    errors.push(
      invalid(childPath(itemsPath, 'x-kubernetes-map-type'), items['x-kubernetes-map-type'] ?? null, detail),
    );
  }
  const inner = items['x-kubernetes-list-type'] ?? 'atomic';
  if (items.type === 'array' && inner !== 'atomic') {
    const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
    errors.push(invalid(childPath(itemsPath, 'x-kubernetes-list-type'), inner, detail));
  }
}
