/**
 * Who may decide on and sign certificate requests: beside the right to write the subresource it takes the verb `approve` or
 * `sign` on the signer. And no request for a client certificate of system:masters is taken at all.
 * https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
 */

import { readRequest } from '../../base/pki/certificates.ts';
import { specOf, statusOf } from '../kinds/certificaterules.ts';
import type { WriteGuard } from '../registry/context.ts';
import { forbidden } from '../status.ts';
import type { ResourceTarget } from '../wire/target.ts';
import type { Authorizer } from './authorize.ts';
import { mastersGroup } from './rbac/authorizer.ts';
import type { User } from './user.ts';

/** The signer of certificates that this server takes from its clients. */
export const clientSigner = 'kubernetes.io/kube-apiserver-client';
const group = 'certificates.k8s.io';

type Write = Parameters<WriteGuard>[0];

/** Makes the guard of certificate requests. */
export function createSignerGuard(authorize: Authorizer): WriteGuard {
  return (write) => {
    const { resource } = write.served;
    if (resource.group !== group || resource.plural !== 'certificatesigningrequests') return undefined;
    if (write.old === undefined) return checkSubject(write);
    if (write.subresource === 'approval') check(write, 'approve');
    const isSigned = statusOf(write.object).certificate !== statusOf(write.old).certificate;
    if (write.subresource === 'status' && isSigned) check(write, 'sign');
    return undefined;
  };

  function check({ served, user, object }: Write, verb: 'approve' | 'sign'): void {
    const signer = String(specOf(object).signerName);
    if (mayUse(authorize, user, verb, signer)) return;
    throw forbidden(
      served.resource,
      object.metadata.name ?? '',
      `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
    );
  }
}

/** Allowed on the signer itself or on all of its domain. */
function mayUse(authorize: Authorizer, user: User, verb: string, signer: string): boolean {
  const all = `${signer.split('/')[0]}/*`;
  return [signer, all].some((name) => {
    const target: ResourceTarget = {
      type: 'resource',
      path: '',
      group,
      version: '*',
      resource: 'signers',
      name,
    };
    return authorize({ user, verb, target }).allowed;
  });
}

async function checkSubject({ served, object }: Write): Promise<void> {
  const { signerName, request } = specOf(object);
  if (signerName !== clientSigner) return;
  const { organizations } = await readRequest(Buffer.from(String(request), 'base64').toString('latin1'));
  if (!organizations.includes(mastersGroup)) return;
  throw forbidden(
    served.resource,
    object.metadata.name ?? '',
    `use of ${clientSigner} signer with ${mastersGroup} group is not allowed`,
  );
}
