/** The OpenAPI v2 (Swagger) document for clients from before v3: the models of all kinds, and the parameters of PATCH. */
import type { ResourceInfo } from '../resource.ts';
import { kindExtension, type Models, modelName, modelsOf } from './models.ts';

/** A Swagger document, ready for JSON. */
export type OpenApiV2 = {
  swagger: '2.0';
  info: { title: string; version: string };
  paths: { [path: string]: { [method: string]: unknown } };
  definitions: Models;
};

const prefix = '#/definitions/';

/** Keywords that Swagger does not know; its readers refuse a schema that has them. */
const onlyV3 = ['nullable', 'oneOf', 'anyOf', 'not'];

/** The document of all resources; `version` is the server's. */
export function openApiV2(resources: readonly ResourceInfo[], version: string): OpenApiV2 {
  const paths: OpenApiV2['paths'] = {};
  for (const resource of resources) paths[objectPath(resource)] = { patch: patchOperation(resource) };
  const models = Object.entries(modelsOf(resources, prefix)).map(([name, model]) => [name, toV2(model)]);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version },
    paths,
    definitions: Object.fromEntries(models),
  };
}

function objectPath(resource: ResourceInfo): string {
  const root =
    resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  return `${root}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}/{name}`;
}

function patchOperation(resource: ResourceInfo): object {
  const query = (name: string, type: string) => ({ name, in: 'query', type, uniqueItems: true });
  return {
    operationId: `patch${resource.kind}`,
    consumes: [
      'application/json-patch+json',
      'application/merge-patch+json',
      ...(resource.builtin ? ['application/strategic-merge-patch+json'] : []),
      'application/apply-patch+yaml',
    ],
    produces: ['application/json'],
    parameters: [
      query('dryRun', 'string'),
      query('fieldManager', 'string'),
      query('fieldValidation', 'string'),
      query('force', 'boolean'),
    ],
    responses: { '200': { description: 'OK', schema: { $ref: `${prefix}${modelName(resource)}` } } },
    'x-kubernetes-action': 'patch',
    'x-kubernetes-group-version-kind': kindExtension(resource),
  };
}

/** A schema in the words of Swagger: a reference stands alone, and what v2 cannot say is left out. */
function toV2(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(toV2);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { allOf, ...rest } = schema as { allOf?: { $ref?: string }[] };
  const ref = allOf?.[0]?.$ref;
  if (ref !== undefined) return { ...rest, $ref: ref };
  return Object.fromEntries(
    Object.entries(rest)
      .filter(([keyword]) => !onlyV3.includes(keyword))
      .map(([keyword, value]) => [keyword, keyword === 'properties' ? propertiesToV2(value) : toV2(value)]),
  );
}

/** Below `properties` stand names of fields, which may be spelt like keywords. */
function propertiesToV2(properties: unknown): unknown {
  if (typeof properties !== 'object' || properties === null) return properties;
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, toV2(schema)]));
}
