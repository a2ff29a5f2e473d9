/** What is refused and in which words: one fault a request, as a kube-apiserver of the version named in each case answered it. */
import { type Case, type Expect, type Send, type Step, step } from '../suite.ts';
import { widget, widgetDefinition } from '../widgets.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = '{ns}.dev';
const widgets = `/apis/${group}/v1/namespaces/{ns}/widgets`;
const merge = 'application/merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const notChecked =
  '<nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

const installed: Step[] = [
  step('POST', definitions, { code: 201 }, { body: widgetDefinition(group) }),
  step('GET', widgets, { code: 200, eventually: true }),
];
const uninstall: Step = step('DELETE', `${definitions}/widgets.${group}`, { code: 200 });

/** A regular expression for a text that stands there as it is; `{ns}` is filled in before. */
const literal = (text: string) => `/${text.replace(/[.*+?^$()|[\]\\/]/g, '\\$&')}/`;

type Schema = Record<string, unknown>;
const object = (a: Schema): Schema => ({ type: 'object', properties: { a } });
const ruled = (rule: Schema): Schema => object({ type: 'string', 'x-kubernetes-validations': [rule] });

/** A definition whose schema has one fault, and what is said of it. The place of the schema has two names: its own and an older one. */
function faulty(schema: Schema, field: string, message: string): Step {
  const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }];
  return step(
    'POST',
    `${definitions}?dryRun=All`,
    {
      code: 422,
      body: { message: literal(`${field}: ${message}`) },
    },
    { body: widgetDefinition(group, { versions }) },
  );
}

/** Versions with one rule over two lists of objects. */
function comparing(rule: string): Schema[] {
  const list = { type: 'array', maxItems: 3, items: { type: 'object' } };
  const spec = {
    type: 'object',
    properties: { a: list, b: list },
    'x-kubernetes-validations': [{ rule }],
  };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
  return [{ name: 'v1', served: true, storage: true, schema }];
}

/** A definition with one fault outside its schema. */
function wrong(changes: Schema, message: string, version: Schema = {}): Step {
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object' } } } };
  const versions = [{ name: 'v1', served: true, storage: true, schema, ...version }];
  return step(
    'POST',
    `${definitions}?dryRun=All`,
    { code: 422, body: { message: literal(message) } },
    { body: widgetDefinition(group, { versions, ...changes }) },
  );
}

const refused = (body: unknown, code: number, message: string, query = 'dryRun=All'): Step =>
  step('POST', `${widgets}?${query}`, { code, body: { message: literal(message) } }, { body });

const invalid = (name: string, faults: string) => `Widget.${group} "${name}" is invalid: ${faults}`;

const patched = (type: string, body: unknown, expect: Expect): Step =>
  step('PATCH', `${widgets}/a?dryRun=All`, expect, { type, body });

const says = (code: number, message: string): Expect => ({ code, body: { message: literal(message) } });

const asked = (query: string, expect: Expect, rest: Partial<Send> = {}): Step =>
  step('GET', `${widgets}?${query}`, expect, rest);

export const refusalCases: Case[] = [
  {
    name: 'a schema that is not structural, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      faulty({ type: 'string' }, 'type', 'Invalid value: "string": must be object at the root'),
      faulty({}, 'type', 'Required value: must not be empty at the root'),
      faulty(
        object({}),
        'properties[a].type',
        'Required value: must not be empty for specified object fields',
      ),
      faulty(object({ type: 'array' }), 'properties[a].items', 'Required value: must be specified'),
      faulty(
        object({ type: 'integer', default: 'x' }),
        'properties[a].default',
        'Invalid value: "string":  in body must be of type integer: "string"',
      ),
      faulty(
        object({ type: 'string', enum: ['a'], default: 'c' }),
        'properties[a].default',
        'Unsupported value: "c": supported values: "a"',
      ),
      faulty(
        object({ type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'set' }),
        'properties[a].items.x-kubernetes-map-type',
        'Invalid value: "null": must be atomic as item of a list with x-kubernetes-list-type=set',
      ),
      faulty(
        object({ type: 'string', 'x-kubernetes-preserve-unknown-fields': false }),
        'properties[a].x-kubernetes-preserve-unknown-fields',
        'Invalid value: false: must be true or undefined',
      ),
      faulty(
        object({ type: 'object', patternProperties: { a: { type: 'string' } } }),
        'properties[a].patternProperties',
        'Forbidden: patternProperties is not supported',
      ),
      faulty(
        object({ type: 'string', $ref: '#/x' }),
        'properties[a].$ref',
        'Forbidden: $ref is not supported',
      ),
    ],
  },
  {
    name: 'a rule that says too little or too much, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      faulty(
        ruled({ rule: '' }),
        'x-kubernetes-validations[0].rule',
        'Required value: rule is not specified',
      ),
      faulty(
        ruled({ rule: 'true', message: 'a\nb' }),
        'x-kubernetes-validations[0].message',
        'Invalid value: "a\\nb": message must not contain line breaks',
      ),
      faulty(
        ruled({ rule: 'true', reason: 'Foo' }),
        'x-kubernetes-validations[0].reason',
        'Unsupported value: "Foo": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
      ),
      faulty(
        ruled({ rule: 'true', fieldPath: '.b' }),
        'x-kubernetes-validations[0].fieldPath',
        'Invalid value: ".b": fieldPath must be a valid path',
      ),
      faulty(
        object({
          type: 'array',
          items: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self.matches("a.*b")' }] },
        }),
        'properties[a].items.x-kubernetes-validations[0].rule',
        'Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
      ),
    ],
  },
  {
    name: 'a rule that compares objects of two places, which are of two types however alike they are',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${definitions}?dryRun=All`,
        {
          code: 422,
          text: /x-kubernetes-validations\[0\]\.rule: Invalid value: .*found no matching overload for '_==_' applied to '\(selfType\d*\.a\.@idx, selfType\d*\.b\.@idx\)'/,
        },
        { body: widgetDefinition(group, { versions: comparing('self.a[0] == self.b[0]') }) },
      ),
    ],
  },
  {
    name: 'names, versions and what hangs on them, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      wrong(
        { names: { plural: 'widgets', kind: 'wid_' } },
        'spec.names.kind: Invalid value: "wid_": may have mixed case, but should otherwise match: a DNS-1035 label',
      ),
      wrong(
        { names: { plural: 'widgets', kind: 'Widget', listKind: 'Widget' } },
        'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same',
      ),
      wrong(
        { scope: 'Foo' },
        'spec.scope: Unsupported value: "Foo": supported values: "Cluster", "Namespaced"',
      ),
      wrong(
        { preserveUnknownFields: true },
        'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
      wrong(
        {},
        'spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions',
        { deprecationWarning: 'x' },
      ),
      wrong({}, 'spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string', {
        deprecated: true,
        deprecationWarning: '',
      }),
      wrong(
        {},
        'additionalPrinterColumns[0].type: Invalid value: "foo": must be one of boolean,date,integer',
        {
          additionalPrinterColumns: [{ name: 'a', type: 'foo', jsonPath: '.x' }],
        },
      ),
      wrong(
        {},
        'selectableFields[0].jsonPath: Invalid value: ".spec.x": is an invalid path: does not refer to a valid field',
        { selectableFields: [{ jsonPath: '.spec.x' }] },
      ),
      wrong(
        {},
        'scale.specReplicasPath: Invalid value: "spec.r": must be a simple json path starting with .',
        { subresources: { scale: { specReplicasPath: 'spec.r', statusReplicasPath: '.status.r' } } },
      ),
    ],
  },
  {
    name: 'groups of Kubernetes need its approval',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${definitions}?dryRun=All`,
        says(
          422,
          'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
        ),
        { body: widgetDefinition('k8s.io') },
      ),
    ],
  },
  {
    name: 'what a schema does not know is told and dropped',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${definitions}?dryRun=All`,
        {
          code: 201,
          body: {
            spec: {
              versions: [{ schema: { openAPIV3Schema: { properties: { a: { maxLen: '<absent>' } } } } }],
            },
          },
          headers: {
            warning:
              /unknown field \\"spec\.versions\[0\]\.schema\.openAPIV3Schema\.properties\.a\.maxLen\\"/,
          },
        },
        {
          body: widgetDefinition(group, {
            versions: [
              {
                name: 'v1',
                served: true,
                storage: true,
                schema: { openAPIV3Schema: object({ type: 'string', maxLen: 1 }) },
              },
            ],
          }),
        },
      ),
    ],
  },
  {
    name: 'an object with a fault, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      ...installed,
      refused(widget(group, 'a', {}), 422, invalid('a', `[spec.size: Required value, ${notChecked}]`)),
      refused(
        widget(group, 'a', { size: null }),
        422,
        invalid('a', `[spec.size: Required value, ${notChecked}]`),
      ),
      refused(
        widget(group, 'a', { size: 'x' }),
        422,
        'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
      ),
      refused(
        widget(group, 'a', { size: 1, host: 'h'.repeat(64) }),
        422,
        'spec.host: Too long: may not be more than 63 bytes',
      ),
      refused(widget(group, 'a', { size: 100 }), 422, 'spec: Invalid value: "object": too big'),
      refused(
        widget(group, 'a', { size: 1 }, { ownerReferences: [{ apiVersion: 'v1', kind: 'x' }] }),
        422,
        invalid(
          'a',
          '[metadata.ownerReferences.name: Invalid value: "": name must not be empty, metadata.ownerReferences.uid: Invalid value: "": uid must not be empty]',
        ),
      ),
      refused(
        widget(
          group,
          'a',
          { size: 1 },
          { ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'a', uid: 'u' }] },
        ),
        422,
        '/v1, Kind=Event is disallowed from being an owner',
      ),
      refused(
        { ...(widget(group, 'a') as object), kind: 'Foo' },
        422,
        `Foo.${group} "a" is invalid: kind: Invalid value: "Foo": must be Widget`,
      ),
      refused(
        { metadata: { name: 'a' } },
        400,
        `the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{"metadata":{"name":"a"}}' ({"metadata":{"name":"a"}})`,
      ),
      refused(
        'x',
        400,
        "the object provided is unrecognized (must be of type Widget): couldn't get version/kind; json parse error: ",
      ),
      refused(widget(group, 'a'), 422, 'fieldManager: Invalid value: ', 'fieldManager=%07'),
      step(
        'POST',
        `${widgets}?dryRun=All`,
        {
          code: 201,
          body: { spec: { host: '<absent>', color: 'red' } },
          headers: { warning: /metadata\.finalizers: \\"x\\": prefer a domain-qualified finalizer name/ },
        },
        { body: widget(group, 'a', { size: 1, host: null, color: null }, { finalizers: ['x'] }) },
      ),
      uninstall,
    ],
  },
  {
    name: 'YAML may repeat a key where faults are told and no more',
    comparedWith: '1.33.4',
    steps: [
      ...installed,
      ...(['Strict', 'Ignore'] as const).map((validation) =>
        step(
          'POST',
          `${widgets}?dryRun=All&fieldValidation=${validation}`,
          validation === 'Strict'
            ? { code: 400, body: { message: literal('strict decoding error: ') } }
            : { code: 201, body: { spec: { size: 2 } } },
          {
            type: 'application/yaml',
            body: `apiVersion: ${group}/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 1, size: 2}\n`,
          },
        ),
      ),
      uninstall,
    ],
  },
  {
    name: 'a patch with a fault, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      ...installed,
      step('POST', widgets, { code: 201 }, { body: widget(group, 'a') }),
      patched(
        merge,
        { metadata: { name: 'q' } },
        says(400, 'the name of the object (q) does not match the name on the URL (a)'),
      ),
      patched(
        merge,
        { metadata: { namespace: 'q' } },
        says(400, 'the namespace of the provided object does not match the namespace sent on the request'),
      ),
      patched(
        merge,
        { metadata: { uid: 'q' } },
        says(422, 'metadata.uid: Invalid value: "q": field is immutable'),
      ),
      patched(merge, { kind: 'Foo' }, says(422, 'kind: Invalid value: "Foo": must be Widget')),
      patched(
        merge,
        { apiVersion: `${group}/v9` },
        says(422, `apiVersion: Invalid value: "${group}/v9": must be ${group}/v1`),
      ),
      patched(
        merge,
        { metadata: null },
        says(400, 'the name of the object (a based on URL) was undeterminable: name must be provided'),
      ),
      patched(merge, '[]', says(400, 'error decoding patch: ')),
      patched(merge, '{', says(400, 'error decoding patch: ')),
      patched(jsonPatch, '{}', says(400, 'error decoding patch: ')),
      ...[
        [{ op: 'test', path: '/spec/size', value: 1 }],
        [{ op: 'remove', path: '/spec/nope' }],
        [{ op: 'foo', path: '/spec' }],
        [{ op: 'add' }],
      ].map((patch) =>
        patched(
          jsonPatch,
          patch,
          says(422, 'the server rejected our request due to an error in our request'),
        ),
      ),
      patched(jsonPatch, [{ op: 'replace', path: '/spec/host', value: 'h' }], {
        code: 200,
        body: { spec: { host: 'h' } },
      }),
      step(
        'PUT',
        `${widgets}/a`,
        says(
          422,
          `widgets.${group} "a" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update`,
        ),
        { body: widget(group, 'a') },
      ),
      step(
        'PATCH',
        `${widgets}/a?fieldManager=m`,
        says(400, `invalid object type: ${group}/v7, Kind=Widget`),
        {
          type: 'application/apply-patch+yaml',
          body: { apiVersion: `${group}/v7`, kind: 'Widget', metadata: { name: 'a' } },
        },
      ),
      step('GET', `${widgets}/a/foo`, says(404, `widgets.${group} "a" not found`)),
      step('DELETE', `${widgets}/a/status`, { code: 405, body: { reason: 'MethodNotAllowed' } }),
      step(
        'DELETE',
        `${widgets}/a`,
        says(
          422,
          'propagationPolicy: Unsupported value: "Foo": supported values: "Foreground", "Background", "Orphan", "nil"',
        ),
        { body: { propagationPolicy: 'Foo' } },
      ),
      step(
        'DELETE',
        `${widgets}/a?gracePeriodSeconds=x`,
        says(400, 'strconv.ParseInt: parsing "x": invalid syntax'),
      ),
      step('DELETE', `${widgets}/a`, { code: 200, body: { status: 'Success', code: '<absent>' } }),
      uninstall,
    ],
  },
  {
    name: 'a list with a fault in its query, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      ...installed,
      step('POST', widgets, { code: 201 }, { body: widget(group, 'a') }),
      asked(
        'labelSelector=x%3D%3D%3D',
        says(400, "unable to parse requirement: found '=', expected: identifier"),
      ),
      asked('fieldSelector=foo', says(400, "invalid selector: 'foo'; can't understand 'foo'")),
      asked('fieldSelector=spec.size%3D3', says(400, 'field label not supported: spec.size')),
      asked('limit=x', says(400, 'strconv.ParseInt: parsing "x": invalid syntax')),
      asked('limit=-1', { code: 200, body: { items: [{ metadata: { name: 'a' } }] } }),
      asked('timeoutSeconds=x', says(400, 'strconv.ParseInt: parsing "x": invalid syntax')),
      asked('continue=abc', says(400, 'invalid continue token: continue key is not valid: ')),
      asked(
        'resourceVersion=x',
        says(400, 'invalid resource version: resourceVersion: Invalid value: "x": '),
      ),
      asked(
        'resourceVersionMatch=Foo',
        says(
          422,
          '[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, resourceVersionMatch: Unsupported value: "Foo": supported values: "Exact", "NotOlderThan", ""]',
        ),
      ),
      asked('', says(406, 'you requested PartialObjectMetadata, but the requested object is a list'), {
        accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
      }),
      step('GET', `/apis/${group}/v1/watch/namespaces/{ns}/widgets?timeoutSeconds=1`, {
        code: 200,
        events: [{ type: 'ADDED', object: { metadata: { name: 'a' } } }],
      }),
      uninstall,
    ],
  },
];
