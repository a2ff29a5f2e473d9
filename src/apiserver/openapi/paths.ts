/** The operations of an OpenAPI v3 document: what clients look up to learn which verbs and parameters a kind takes. */
import type { ResourceInfo, Verb } from '../resource.ts';
import { kindExtension, modelName } from './models.ts';

/** Path items by path. */
export type Paths = { [path: string]: { [method: string]: unknown } };

type Parameter = {
  name: string;
  in: 'query' | 'path';
  description: string;
  schema: object;
  required?: boolean;
};

const prefix = '#/components/schemas/';

/** All paths of a resource: the list over all namespaces, the collection, the object, its subresources. */
export function pathsOf(resource: ResourceInfo): Paths {
  const root =
    resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced ? '/namespaces/{namespace}' : '';
  const collection = `${root}${scope}/${resource.plural}`;
  const paths: Paths = {
    [collection]: present(
      resource,
      { get: 'list', post: 'create', delete: 'deletecollection' },
      'collection',
    ),
    [`${collection}/{name}`]: present(
      resource,
      { get: 'get', put: 'update', patch: 'patch', delete: 'delete' },
      'object',
    ),
  };
  if (resource.namespaced) {
    paths[`${root}/${resource.plural}`] = present(resource, { get: 'list' }, 'everywhere');
  }
  for (const door of ['approval', 'status'] as const) {
    if (resource.subresources[door] !== true) continue;
    const methods = { get: 'get', put: 'update', patch: 'patch' } as const;
    paths[`${collection}/{name}/${door}`] = present(resource, methods, 'object');
  }
  return paths;
}

type Level = 'everywhere' | 'collection' | 'object';

function present(resource: ResourceInfo, methods: { [method: string]: Verb }, level: Level) {
  const item: { [method: string]: unknown } = {};
  for (const [method, verb] of Object.entries(methods)) {
    if (resource.verbs.includes(verb)) item[method] = operation(resource, verb);
  }
  const parameters = pathParameters(resource, level);
  return parameters.length === 0 ? item : { ...item, parameters };
}

function pathParameters(resource: ResourceInfo, level: Level): Parameter[] {
  const path = (name: string, description: string): Parameter => ({
    name,
    in: 'path',
    required: true,
    description,
    schema: { type: 'string', uniqueItems: true },
  });
  return [
    ...(level === 'object' ? [path('name', `name of the ${resource.kind}`)] : []),
    ...(resource.namespaced && level !== 'everywhere'
      ? [path('namespace', 'object name and auth scope, such as for teams and projects')]
      : []),
  ];
}

function operation(resource: ResourceInfo, verb: Verb): object {
  const answer = verb === 'list' ? modelName(resource, resource.listKind) : modelName(resource);
  const body = bodyOf(resource, verb);
  return {
    tags: [resource.group === '' ? `core_${resource.version}` : `${resource.group}_${resource.version}`],
    operationId: `${verb}${resource.kind}`,
    parameters: queryParameters(verb),
    ...(body === undefined ? {} : { requestBody: { required: true, content: body } }),
    responses: {
      '200': {
        description: 'OK',
        content: { 'application/json': { schema: { $ref: `${prefix}${answer}` } } },
      },
      '401': { description: 'Unauthorized' },
    },
    'x-kubernetes-action': verb === 'create' ? 'post' : verb === 'update' ? 'put' : verb,
    'x-kubernetes-group-version-kind': kindExtension(resource),
  };
}

/** kubectl reads from the media types of a PATCH whether it may send a strategic merge patch. */
function bodyOf(resource: ResourceInfo, verb: Verb): object | undefined {
  if (verb === 'create' || verb === 'update') {
    return { 'application/json': { schema: { $ref: `${prefix}${modelName(resource)}` } } };
  }
  if (verb !== 'patch') return undefined;
  const types = [
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/apply-patch+yaml',
  ];
  if (resource.builtin) types.push('application/strategic-merge-patch+json');
  return Object.fromEntries(types.map((type) => [type, { schema: { type: 'object' } }]));
}

function queryParameters(verb: Verb): Parameter[] {
  switch (verb) {
    case 'create':
    case 'update':
      return [dryRun, fieldManager, fieldValidation, pretty];
    case 'patch':
      return [dryRun, fieldManager, fieldValidation, force, pretty];
    case 'delete':
    case 'deletecollection':
      return [dryRun, query('gracePeriodSeconds', 'integer'), query('propagationPolicy', 'string'), pretty];
    case 'list':
    case 'watch':
      return [...listParameters, pretty];
    case 'get':
      return [pretty];
    default:
      return verb satisfies never;
  }
}

function query(name: string, type: 'string' | 'integer' | 'boolean', description = ''): Parameter {
  return { name, in: 'query', description, schema: { type, uniqueItems: true } };
}

const dryRun = query('dryRun', 'string', 'When present, nothing is stored. The only valid value is All.');
const fieldManager = query('fieldManager', 'string', 'The name of the actor that makes these changes.');
const fieldValidation = query(
  'fieldValidation',
  'string',
  'What happens to unknown or duplicate fields: Ignore drops them, Warn (the default) drops them with a warning, Strict refuses the request.',
);
const force = query('force', 'boolean', 'Takes fields from other managers. Only for apply patches.');
const pretty = query('pretty', 'string', 'If true, the output is formatted for reading.');
const listParameters = [
  query('allowWatchBookmarks', 'boolean'),
  query('continue', 'string'),
  query('fieldSelector', 'string'),
  query('labelSelector', 'string'),
  query('limit', 'integer'),
  query('resourceVersion', 'string'),
  query('resourceVersionMatch', 'string'),
  query('sendInitialEvents', 'boolean'),
  query('timeoutSeconds', 'integer'),
  query('watch', 'boolean'),
];
