/** MutatingWebhookConfiguration and ValidatingWebhookConfiguration: whom the server asks before it stores. */
import type { FieldError } from '../../schema/contract.ts';
import { invalid, required, unsupported } from '../../schema/errors.ts';
import { createCompiler } from '../admission/expressions.ts';
import { isRecord, type KubeObject } from '../object.ts';
import type { KindSchema } from '../resource.ts';
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { type Kind, kind } from './kind.ts';
import { integer, keyedBy, labelSelector, listOf, record, text } from './schema.ts';

const names = (description: string) => listOf(text('A name; "*" stands for all.'), description);

/** How a webhook is called. */
export const clientConfig = record('How it is called.', {
  url: text('Its https URL.'),
  service: record('A Service; this server has none.', {
    namespace: text('Its namespace.'),
    name: text('Its name.'),
    path: text('The path of the URL.'),
    port: integer('Its port.'),
  }),
  caBundle: text('The authority of its certificate: PEM in base64.', { format: 'byte' }),
});

const webhookFields: { [name: string]: KindSchema } = {
  name: text('Its name, a domain name.'),
  clientConfig,
  rules: listOf(
    record('A rule.', {
      apiGroups: names('The groups.'),
      apiVersions: names('The versions.'),
      operations: names('CREATE, UPDATE, DELETE, CONNECT or *.'),
      resources: names('The resources, with subresources after a slash.'),
      scope: text('Cluster, Namespaced or *.'),
    }),
    'What it is asked about.',
  ),
  failurePolicy: text('Fail or Ignore: what happens when it does not answer.'),
  matchPolicy: text('Exact or Equivalent.'),
  namespaceSelector: labelSelector('The namespaces.'),
  objectSelector: labelSelector('The objects.'),
  sideEffects: text('None or NoneOnDryRun.'),
  timeoutSeconds: integer('1 to 30.'),
  admissionReviewVersions: listOf(text('A version.'), 'The versions of AdmissionReview it understands.'),
  matchConditions: keyedBy(
    'name',
    record('A condition.', { name: text('Its name.'), expression: text('True when it is to be asked.') }),
    'All must hold for it to be asked.',
  ),
};

function webhooksIn(object: KubeObject): Record<string, unknown>[] {
  return Array.isArray(object.webhooks) ? object.webhooks.filter(isRecord) : [];
}

function fillDefaults(object: KubeObject): void {
  for (const webhook of webhooksIn(object)) {
    webhook.failurePolicy ??= 'Fail';
    webhook.matchPolicy ??= 'Equivalent';
    webhook.timeoutSeconds ??= 10;
    webhook.namespaceSelector ??= {};
    webhook.objectSelector ??= {};
    if (object.kind === 'MutatingWebhookConfiguration') webhook.reinvocationPolicy ??= 'Never';
    for (const rule of Array.isArray(webhook.rules) ? webhook.rules.filter(isRecord) : []) rule.scope ??= '*';
  }
}

/** Whether a mutating webhook may be asked a second time. */
const reinvocations = ['IfNeeded', 'Never'];

function validate(object: KubeObject): FieldError[] {
  const compile = createCompiler();
  return webhooksIn(object).flatMap((webhook, index) => {
    const at = (field: string) => `webhooks[${index}].${field}`;
    const { timeoutSeconds: timeout, sideEffects, failurePolicy, admissionReviewVersions } = webhook;
    const { reinvocationPolicy } = webhook;
    const versions: unknown[] = Array.isArray(admissionReviewVersions) ? admissionReviewVersions : [];
    return [
      ...(typeof webhook.name === 'string' && webhook.name !== '' ? [] : [required(at('name'))]),
      ...checkTarget(webhook.clientConfig, at('clientConfig')),
      ...(failurePolicy === 'Fail' || failurePolicy === 'Ignore'
        ? []
        : [unsupported(at('failurePolicy'), failurePolicy, ['Fail', 'Ignore'])]),
      ...(reinvocationPolicy === undefined || reinvocations.includes(String(reinvocationPolicy))
        ? []
        : [unsupported(at('reinvocationPolicy'), reinvocationPolicy, reinvocations)]),
      ...(sideEffects === 'None' || sideEffects === 'NoneOnDryRun'
        ? []
        : [unsupported(at('sideEffects'), sideEffects ?? '', ['None', 'NoneOnDryRun'])]),
      ...(typeof timeout === 'number' && timeout >= 1 && timeout <= 30
        ? []
        : [invalid(at('timeoutSeconds'), timeout, 'the timeout value must be between 1 and 30 seconds')]),
      ...(versions.includes('v1')
        ? []
        : [invalid(at('admissionReviewVersions'), versions, 'must include at least one of v1')]),
      ...checkConditions(compile, webhook.matchConditions, at('matchConditions')),
    ];
  });
}

/** The faults of a clientConfig at `path`. */
export function checkTarget(config: unknown, path: string): FieldError[] {
  const { url, service } = isRecord(config) ? config : {};
  if ((url === undefined) === (service === undefined)) {
    return [required(path, 'exactly one of url or service is required')];
  }
  if (url === undefined) return [];
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'https:' && parsed.username === '' && parsed.search === '' && parsed.hash === '')
    return [];
  return [invalid(`${path}.url`, url, 'must be an https URL without user, query and fragment')];
}

function checkConditions(
  compile: ReturnType<typeof createCompiler>,
  conditions: unknown,
  path: string,
): FieldError[] {
  const list = Array.isArray(conditions) ? conditions.filter(isRecord) : [];
  return list.flatMap(({ expression }, index) => {
    try {
      compile(String(expression));
      return [];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return [invalid(`${path}[${index}].expression`, expression, why)];
    }
  });
}

function configuration(name: 'Mutating' | 'Validating'): Kind {
  const isMutating = name === 'Mutating';
  const fields = isMutating
    ? {
        ...webhookFields,
        reinvocationPolicy: text(
          'Never or IfNeeded: asked once more when others have changed the object since.',
        ),
      }
    : webhookFields;
  return kind({
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    kind: `${name}WebhookConfiguration`,
    plural: `${name.toLowerCase()}webhookconfigurations`,
    namespaced: false,
    description: `${name}WebhookConfiguration names webhooks that ${isMutating ? 'may change' : 'accept or refuse'} objects.`,
    fields: { webhooks: keyedBy('name', record('A webhook.', fields), 'The webhooks.') },
    behaviour: {
      generation: true,
      unconditionalUpdate: false,
      prepareCreate: fillDefaults,
      prepareUpdate: fillDefaults,
      validate,
    },
    columns: [nameColumn, column('Webhooks', (object) => webhooksIn(object).length), ageColumn],
  });
}

/** Both kinds. */
export const webhookKinds: readonly Kind[] = [configuration('Mutating'), configuration('Validating')];
