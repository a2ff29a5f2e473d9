/** Questions in the form of objects: they are answered when they are created, and never stored. */
import type { KindSchema } from '../resource.ts';
import { type Kind, kind } from './kind.ts';
import { listOf, mapOf, record, text, truth } from './schema.ts';

const authentication = 'authentication.k8s.io';
const authorization = 'authorization.k8s.io';
const strings = (description: string) => listOf(text('A value.'), description);
const extra = mapOf(strings('Values.'), 'What else the authenticator told.');

const userInfo = record('A user.', {
  username: text('The name.'),
  uid: text('The unique id.'),
  groups: strings('The groups.'),
  extra,
});

const accessFields: { [name: string]: KindSchema } = {
  resourceAttributes: record('A request on a resource.', {
    namespace: text('The namespace; empty: all.'),
    verb: text('The verb; * is all.'),
    group: text('The API group.'),
    version: text('The API version.'),
    resource: text('The plural name.'),
    subresource: text('The subresource.'),
    name: text('The object; empty: all.'),
    fieldSelector: record('Not looked at.', {}, { 'x-kubernetes-preserve-unknown-fields': true }),
    labelSelector: record('Not looked at.', {}, { 'x-kubernetes-preserve-unknown-fields': true }),
  }),
  nonResourceAttributes: record('A request on a path.', { path: text('The path.'), verb: text('The verb.') }),
};
const subjectFields: { [name: string]: KindSchema } = {
  ...accessFields,
  user: text('The name of the user.'),
  groups: strings('The groups of the user.'),
  uid: text('The unique id of the user.'),
  extra,
};
const accessStatus = record('The answer.', {
  allowed: truth('Whether it is allowed.'),
  denied: truth('Whether it is forbidden whatever others say.'),
  reason: text('Why.'),
  evaluationError: text('What went wrong.'),
});
const ruleFields = { verbs: strings('The verbs.') };
const rulesStatus = record('The answer.', {
  resourceRules: listOf(
    record('What may be done.', {
      ...ruleFields,
      apiGroups: strings('The groups.'),
      resources: strings('The resources.'),
      resourceNames: strings('The objects; empty: all.'),
    }),
    'On resources.',
  ),
  nonResourceRules: listOf(
    record('What may be done.', { ...ruleFields, nonResourceURLs: strings('The paths.') }),
    'On paths.',
  ),
  incomplete: truth('Whether there may be more.'),
  evaluationError: text('What went wrong.'),
});

function question(
  group: string,
  name: string,
  description: string,
  fields: { spec?: KindSchema; status: KindSchema },
  namespaced = false,
): Kind {
  const plural = `${name.toLowerCase()}s`;
  return kind({
    group,
    version: 'v1',
    kind: name,
    plural,
    namespaced,
    description,
    fields,
    verbs: ['create'],
  });
}

/** TokenReview, SubjectAccessReview with its Self and Local forms, SelfSubjectRulesReview and SelfSubjectReview. */
export const reviewKinds: readonly Kind[] = [
  question(authentication, 'TokenReview', 'TokenReview asks who a bearer token stands for.', {
    spec: record('The token.', {
      token: text('The token.'),
      audiences: strings('Whom it must be meant for; empty: this server.'),
    }),
    status: record('The answer.', {
      authenticated: truth('Whether the token is good.'),
      user: userInfo,
      audiences: strings('Whom, of those asked for, it is meant for.'),
      error: text('Why it is not good.'),
    }),
  }),
  question(authentication, 'SelfSubjectReview', 'SelfSubjectReview asks who sends the request.', {
    status: record('The answer.', { userInfo }),
  }),
  question(
    authorization,
    'LocalSubjectAccessReview',
    'LocalSubjectAccessReview asks whether a user may do something in one namespace.',
    { spec: record('The question.', subjectFields), status: accessStatus },
    true,
  ),
  question(
    authorization,
    'SelfSubjectAccessReview',
    'SelfSubjectAccessReview asks whether its sender may do something.',
    {
      spec: record('The question.', accessFields),
      status: accessStatus,
    },
  ),
  question(
    authorization,
    'SelfSubjectRulesReview',
    'SelfSubjectRulesReview asks what its sender may do in a namespace.',
    {
      spec: record('The question.', { namespace: text('The namespace.') }),
      status: rulesStatus,
    },
  ),
  question(
    authorization,
    'SubjectAccessReview',
    'SubjectAccessReview asks whether a user may do something.',
    {
      spec: record('The question.', subjectFields),
      status: accessStatus,
    },
  ),
];
