/** From a FenceDevice to what its driver is told: parameters, and secrets out of the one kind of Secret that may leave for a device. */
import { SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Secret } from '../../api/core.ts';
import { FENCE_SECRET_TYPE, type FenceDeviceSpec } from '../../api/kinds/fenceDevice.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Client } from '../../client/contract.ts';
import type { ProbeTarget } from './probe.ts';

/** The target without a plug. Throws ReasonedError FenceSecretMissing or FenceSecretWrong. */
export async function targetOf(
  { agent, parameters = {}, secretRef }: FenceDeviceSpec,
  client: Client,
  signal: AbortSignal,
): Promise<ProbeTarget> {
  const secrets = secretRef === undefined ? {} : await secretsOf(secretRef.name, client, signal);
  return { agent, parameters, secrets };
}

async function secretsOf(name: string, client: Client, signal: AbortSignal): Promise<Record<string, string>> {
  const where = `Secret ${SYSTEM_NAMESPACE}/${name}`;
  const secret = await client.find(Secret, { namespace: SYSTEM_NAMESPACE, name }, { signal });
  if (secret === undefined) throw problem('FenceSecretMissing', `${where} is not there: create it`);
  // Whoever may write a FenceDevice may choose where its secrets are sent: keys of other parts must not be among them.
  if (secret.type !== FENCE_SECRET_TYPE)
    throw problem(
      'FenceSecretWrong',
      `${where} is not of type ${FENCE_SECRET_TYPE}: create it anew with that type`,
    );
  const values = Object.entries(secret.data ?? {});
  return Object.fromEntries(
    values.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}

function problem(reason: string, message: string): ReasonedError {
  return new ReasonedError(reason, message, { stalled: true });
}
