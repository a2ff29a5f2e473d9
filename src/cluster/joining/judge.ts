/** Whether a request to join may be granted. Pure: a table of reasons, first the cheap ones that tell a stranger nothing. */
import {
  accountUser,
  isCompatible,
  JOIN_ACCOUNT,
  JOIN_SECRET_TYPE,
  JOINING,
  PROTOCOL_VERSION,
} from '../../api/cluster.ts';
import type { CertificateSigningRequest, Secret } from '../../api/core.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { Refusal } from './decision.ts';

export type JoinFacts = {
  /** The name asked for. */
  host: string;
  /** The Secret the request names. */
  secret: Stored<Secret> | undefined;
  /** The Host of that name. */
  living: Stored<Host> | undefined;
  /** What there is of the host was made for this very request, before a crash. */
  isOurs: boolean;
};

/** What servers say of a request's token since Kubernetes 1.29. */
const CREDENTIAL = 'authentication.kubernetes.io/credential-id';
/** A name of a Host (RFC 1123) that fits into `host-NAME` and a label. */
const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** Undefined when it may. */
export function refusalOf(
  request: Stored<CertificateSigningRequest>,
  { host, secret, living, isOurs }: JoinFacts,
): Refusal | undefined {
  const { spec, metadata } = request;
  if (spec.username !== accountUser(JOIN_ACCOUNT))
    return { reason: 'NotByToken', message: 'only a token of `vireo token create` lets a machine join' };
  if (!NAME.test(host) || host.length > 63)
    return { reason: 'InvalidName', message: 'a host name has 1 to 63 lower-case letters, digits, - and .' };
  const protocol = Number(metadata.annotations?.[JOINING.protocol]);
  if (!isCompatible(protocol)) return skew(protocol);
  const token = secret?.metadata.annotations ?? {};
  if (secret?.type !== JOIN_SECRET_TYPE || isOthers(spec, token, metadata.uid))
    return {
      reason: 'TokenUsed',
      message: 'the token has been used or taken back: make another with `vireo token create`',
    };
  const only = token[JOINING.host];
  if (only !== undefined && only !== host)
    return { reason: 'OtherName', message: `the token is for host ${only}: join with --name ${only}` };
  if (living !== undefined && !isOurs && isKnown(living))
    return {
      reason: 'HostExists',
      message: `a host ${host} is there: choose another name with --name, or delete that Host first if it is gone for good`,
    };
  return undefined;
}

/** Another request has used the token, or it is bound to another Secret. */
function isOthers(
  { extra }: CertificateSigningRequest['spec'],
  token: Readonly<Record<string, string>>,
  uid: string,
): boolean {
  const usedBy = token[JOINING.usedBy];
  const shown = extra?.[CREDENTIAL]?.[0];
  const bound = token[JOINING.credentialID];
  return (usedBy !== undefined && usedBy !== uid) || (shown !== undefined && shown !== `JTI=${bound}`);
}

/** A Host that no agent has spoken for yet is taken over: written beforehand by its owner, or left by a join that was never finished. */
function isKnown({ status, metadata }: Stored<Host>): boolean {
  return status?.agentVersion !== undefined || metadata.deletionTimestamp !== undefined;
}

function skew(protocol: number): Refusal {
  const older = !(protocol > PROTOCOL_VERSION);
  return {
    reason: 'VersionSkew',
    message: `the machine speaks protocol ${protocol}, the manager ${PROTOCOL_VERSION}: upgrade ${older ? 'the machine' : 'the manager'} first`,
  };
}
