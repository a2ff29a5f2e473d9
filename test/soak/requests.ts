/** Requests at random over the whole surface of an API server: half right, half wrong in every way a client can be. */
import fc from 'fast-check';

/** One request; `watch` says that its answer need not end. */
export type Shot = {
  method: string;
  path: string;
  headers: { [name: string]: string };
  body: string | undefined;
  watch: boolean;
};

/** A collection the server serves. */
export type Collection = {
  group: string;
  version: string;
  plural: string;
  kind: string;
  namespaced: boolean;
  verbs: string[];
  /** False for a custom resource. */
  builtin: boolean;
};

/** Few names and namespaces, so that requests meet each other's objects and the store stays small. */
const names = ['a', 'b', 'c', 'default', 'kube-root-ca.crt', 'widgets.soak.dev'];
const namespaces = ['soak-a', 'soak-b', 'default', 'gone'];

const text = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'All', 'true', '-1', '0', '1', '99999999999999999999', 'x'.repeat(300)),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(0, -1, 1e300, 2 ** 53, 5, Number.MIN_VALUE),
);
/** Any JSON value. */
export const junk: fc.Arbitrary<unknown> = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom('name', 'spec', 'metadata', 'a', '__proto__', 'type'), text),
      tie('any'),
      {
        maxKeys: 4,
      },
    ),
  ),
})).any;

/** Mostly what belongs there, sometimes anything. */
const mostly = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 5, arbitrary: good as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: junk });

const metadata = (name: string) =>
  fc.record(
    {
      name: mostly(fc.constantFrom(name, ...names)),
      namespace: mostly(fc.constantFrom(...namespaces)),
      labels: mostly(fc.dictionary(fc.constantFrom('a', 'b', 'x/y'), text, { maxKeys: 3 })),
      annotations: mostly(fc.dictionary(text, text, { maxKeys: 2 })),
      finalizers: mostly(fc.array(fc.constantFrom('soak.dev/f', 'kubernetes'), { maxLength: 2 })),
      ownerReferences: junk,
      managedFields: junk,
      resourceVersion: text,
      uid: text,
      deletionTimestamp: junk,
      generateName: fc.constantFrom('g-'),
    },
    { requiredKeys: ['name'] },
  );

const rule = fc.record(
  { verbs: mostly(fc.array(text, { maxLength: 2 })), apiGroups: mostly(fc.array(text)), resources: junk },
  { requiredKeys: [] },
);
const cel = fc.constantFrom(
  'self.size < 5',
  'self ==',
  'oldSelf.size > self.size',
  'true',
  'size(self) > "a"',
  '(((',
);
const schema = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.record(
    {
      type: mostly(fc.constantFrom('object', 'string', 'integer', 'array', 'boolean', 'number')),
      properties: mostly(
        fc.dictionary(fc.constantFrom('spec', 'size', 'b', 'metadata'), tie('node'), { maxKeys: 2 }),
      ),
      items: tie('node'),
      additionalProperties: fc.oneof(fc.boolean(), tie('node')),
      required: mostly(fc.array(fc.constantFrom('spec', 'size'), { maxLength: 2 })),
      default: junk,
      enum: fc.array(junk, { maxLength: 2 }),
      pattern: fc.constantFrom('^a', '(', '[', '(a+)+$'),
      maximum: number,
      maxLength: number,
      nullable: fc.boolean(),
      'x-kubernetes-validations': fc.array(fc.record({ rule: mostly(cel), message: text }), { maxLength: 2 }),
      'x-kubernetes-list-type': fc.constantFrom('map', 'set', 'atomic', 'x'),
      'x-kubernetes-int-or-string': fc.boolean(),
      'x-kubernetes-preserve-unknown-fields': fc.boolean(),
    },
    { requiredKeys: ['type'], noNullPrototype: true },
  ),
})).node;

const definition = fc.record(
  {
    group: fc.constant('soak.dev'),
    scope: mostly(fc.constantFrom('Namespaced', 'Cluster')),
    names: mostly(fc.constant({ plural: 'widgets', kind: 'Widget' })),
    versions: mostly(
      fc.array(
        fc.record(
          {
            name: mostly(fc.constantFrom('v1', 'v2')),
            served: mostly(fc.boolean()),
            storage: mostly(fc.boolean()),
            schema: mostly(fc.record({ openAPIV3Schema: schema })),
            additionalPrinterColumns: junk,
            selectableFields: junk,
            subresources: mostly(fc.constantFrom({ status: {} }, { scale: {} })),
          },
          { requiredKeys: ['name', 'served', 'storage', 'schema'] },
        ),
        { minLength: 1, maxLength: 2 },
      ),
    ),
  },
  { requiredKeys: ['group', 'scope', 'names', 'versions'] },
);

/** An object of the collection, right to a varying degree. */
function objectOf({ group, version, kind }: Collection, name: string): fc.Arbitrary<unknown> {
  const apiVersion = group === '' ? version : `${group}/${version}`;
  return fc.record(
    {
      apiVersion: mostly(fc.constant(apiVersion)),
      kind: mostly(fc.constant(kind)),
      metadata: mostly(metadata(name)),
      data: mostly(fc.dictionary(text, text, { maxKeys: 2 })),
      stringData: mostly(fc.dictionary(text, text, { maxKeys: 2 })),
      type: text,
      rules: mostly(fc.array(rule, { maxLength: 2 })),
      roleRef: mostly(fc.constant({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'a' })),
      subjects: junk,
      status: mostly(fc.record({ phase: text, conditions: junk })),
      spec:
        kind === 'CustomResourceDefinition'
          ? mostly(definition)
          : mostly(fc.dictionary(text, junk, { maxKeys: 4 })),
      webhooks: junk,
    },
    { requiredKeys: ['apiVersion', 'kind', 'metadata', 'spec'] },
  );
}

const pointer = fc.constantFrom(
  '/spec',
  '/spec/size',
  '/metadata/labels/a',
  '/data/-',
  '',
  'x',
  '/metadata',
  '/~2',
);
const jsonPatch = fc.array(
  fc.record(
    {
      op: mostly(fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test')),
      path: mostly(pointer),
      from: mostly(pointer),
      value: junk,
    },
    { requiredKeys: ['op', 'path'] },
  ),
  { maxLength: 4 },
);

const selector = fc.oneof(
  fc.constantFrom(
    'a=b',
    'a in (b,c)',
    '!a',
    'a>1',
    'a==',
    '(',
    'metadata.name=a',
    'spec.host!=x',
    ',',
    'a notin ()',
  ),
  text,
);
const parameters: { [name: string]: fc.Arbitrary<string> } = {
  dryRun: text,
  fieldManager: text,
  fieldValidation: fc.constantFrom('Ignore', 'Warn', 'Strict', 'x'),
  force: text,
  labelSelector: selector,
  fieldSelector: selector,
  limit: text,
  continue: text,
  resourceVersion: text,
  resourceVersionMatch: fc.constantFrom('Exact', 'NotOlderThan', 'x'),
  sendInitialEvents: text,
  allowWatchBookmarks: text,
  propagationPolicy: fc.constantFrom('Foreground', 'Background', 'Orphan', 'x'),
  gracePeriodSeconds: text,
  includeObject: fc.constantFrom('None', 'Object', 'x'),
  pretty: text,
  watch: text,
};
const query = fc
  .array(
    fc
      .constantFrom(...Object.keys(parameters))
      .chain((name) => (parameters[name] ?? text).map((value) => [name, value])),
    { maxLength: 4 },
  )
  .map((pairs) => new URLSearchParams(pairs as [string, string][]).toString());

const accepts = [
  'application/json',
  'application/json',
  'application/json, */*',
  'application/json',
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  'text/html;q=0.x,,*',
];
const types = [
  'application/json',
  'application/json',
  'application/json',
  'application/json',
  'application/yaml',
  'application/merge-patch+json',
  'application/json-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/vnd.kubernetes.protobuf',
  'text/plain; charset=x',
  ';',
];
const otherPaths = [
  '/',
  '/api',
  '/apis',
  '/version',
  '/openapi/v2',
  '/openapi/v3',
  '/readyz',
  '/metrics',
  '//',
  '/%zz',
  '/apis/x/y/z/%00',
  '/openid/v1/jwks',
];

/** The path of a collection, or of one object in it and what is below. */
export function pathOf(
  collection: Collection,
  namespace: string,
  name: string | undefined,
  tail: string,
): string {
  const { group, version, plural, namespaced } = collection;
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope = namespaced && namespace !== '' ? `/namespaces/${namespace}` : '';
  return `${base}${scope}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}${tail}`}`;
}

const seldom = (value: fc.Arbitrary<string>): fc.Arbitrary<string | undefined> =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const tails = fc.oneof(
  { weight: 8, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: fc.constant('/status') },
  { weight: 1, arbitrary: fc.constantFrom('/scale', '/token', '/approval', '/finalize', '/nope') },
);

/** Most creations go to the collection, where they belong; `spare` decides. */
function nameFor({ method, name, spare }: { method: string; name: string | undefined; spare: number }) {
  return method === 'POST' && spare > 0 ? undefined : name;
}

/** Requests to a server with these collections. */
export function shots(collections: readonly Collection[]): fc.Arbitrary<Shot> {
  const aimed = fc
    .record({
      collection: fc.constantFrom(...collections),
      namespace: fc.constantFrom('soak-a', 'soak-a', '', ...namespaces),
      name: fc.option(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...names) }, text), {
        nil: undefined,
      }),
      tail: tails,
      spare: fc.nat(8),
      method: fc.constantFrom(
        'GET',
        'GET',
        'POST',
        'POST',
        'PUT',
        'PATCH',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'HEAD',
      ),
      type: fc.constantFrom(...types),
    })
    .chain((aim) => {
      const object = objectOf(aim.collection, aim.name ?? 'a');
      const value = aim.type === 'application/json-patch+json' ? mostly(jsonPatch) : mostly(object);
      const body = fc.oneof(
        { weight: 8, arbitrary: value.map((one) => JSON.stringify(one)) },
        { weight: 1, arbitrary: value.map((one) => JSON.stringify(one)?.slice(0, -3)) },
        { weight: 1, arbitrary: text },
      );
      return fc.record({ aim: fc.constant(aim), body });
    })
    .map(({ aim, body }) => ({
      method: aim.method,
      path: pathOf(aim.collection, aim.namespace, nameFor(aim), aim.tail),
      type: aim.type,
      body: aim.method === 'GET' || aim.method === 'HEAD' ? undefined : body,
    }));
  const other = fc
    .constantFrom(...otherPaths)
    .map((path) => ({ method: 'GET', path, type: 'application/json', body: undefined }));
  return fc
    .record({
      base: fc.oneof({ weight: 15, arbitrary: aimed }, { weight: 1, arbitrary: other }),
      query,
      accept: fc.constantFrom(...accepts),
      authorization: seldom(fc.constantFrom('Bearer x', 'Bearer a.b.c', 'Basic eA==')),
      as: seldom(fc.constantFrom('jane', 'system:serviceaccount:default:default', '')),
    })
    .map(({ base, query: asked, accept, authorization, as }) => ({
      method: base.method,
      path: asked === '' ? base.path : `${base.path}?${asked}`,
      headers: {
        accept,
        ...(base.body === undefined ? {} : { 'content-type': base.type }),
        ...(authorization === undefined ? {} : { authorization }),
        ...(as === undefined ? {} : { 'impersonate-user': as }),
      },
      body: base.body,
      watch: asked.includes('watch='),
    }));
}
