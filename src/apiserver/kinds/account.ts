/** ServiceAccount: the identity of a program. */
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { kind } from './kind.ts';
import { keyedBy, listOf, objectReference, record, text, truth } from './schema.ts';

/** The ServiceAccount kind. */
export const serviceAccountKind = kind({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  description: 'ServiceAccount binds together a name and what that name may be used for.',
  fields: {
    secrets: keyedBy('name', objectReference('A secret.'), 'Secrets the account may use.'),
    imagePullSecrets: listOf(
      record('A secret.', { name: text('The name of the secret.') }),
      'Secrets for pulling images.',
    ),
    automountServiceAccountToken: truth('Whether programs get a token by themselves.'),
  },
  columns: [
    nameColumn,
    column('Secrets', (object) => (Array.isArray(object.secrets) ? object.secrets.length : 0), {
      type: 'string',
    }),
    ageColumn,
  ],
});
