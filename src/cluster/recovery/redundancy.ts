/** Says when the one API server is lost together with guests: then nobody is left who could start them elsewhere. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';

const TYPE = 'ControlPlaneNotRedundant';

/** `embeddedOn`: the host whose machine runs the embedded API server; undefined where it runs elsewhere, or is not known to. */
export function withRedundancy(
  conditions: readonly Condition[],
  embeddedOn: string | undefined,
  hosts: readonly Stored<Host>[],
  at: { now: number; generation: number | undefined },
): Condition[] {
  const host = hosts.find(({ metadata }) => metadata.name === embeddedOn);
  if (host === undefined || host.status?.witness === true || hosts.length === 1)
    return removeCondition(conditions, TYPE);
  const { name } = host.metadata;
  const message = `the API server runs on ${name}, which may run guests: when ${name} is lost nothing is started elsewhere. Run it on a witness (vireo witness), or use a cluster of API servers`;
  return setCondition(conditions, { type: TYPE, status: 'True', reason: 'EmbeddedOnGuestHost', message }, at);
}
