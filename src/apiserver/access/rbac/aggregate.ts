/** Keeps gathering ClusterRoles up to date with the roles they gather from. */
import { prefixOf } from '../../catalog/keys.ts';
import type { Served } from '../../catalog/served.ts';
import { equalJson, type KubeObject } from '../../object.ts';
import { decode } from '../../registry/codec.ts';
import type { Context } from '../../registry/context.ts';
import { update } from '../../registry/update.ts';
import { ApiError } from '../../status.ts';
import { createKeyQueue } from '../../upkeep/queue.ts';
import { internalWrite, type Upkeep } from '../../upkeep/upkeep.ts';
import { gathered, type LabelledRole } from './gather.ts';
import { rbacGroup } from './grants.ts';
import { rulesOf } from './rules.ts';

/** The only key of the queue: one change may matter to every gathering role. */
const all = 'all roles';

/** Starts the controller; `roles` is the served ClusterRole kind. */
export function aggregateRoles(context: Context, roles: Served): Upkeep {
  const queue = createKeyQueue('the aggregation of roles', context, gatherAll);
  const unfollow = context.hub.follow({
    prefix: prefixOf(rbacGroup, 'clusterroles'),
    onEvent: () => queue.add(all),
  });
  queue.add(all);

  async function gatherAll(): Promise<void> {
    const stored: LabelledRole[] = context.store
      .range({ prefix: roles.prefix })
      .entries.map((entry) => decode(roles, entry))
      .map((role) => ({ ...role, rules: rulesOf(role) }));
    for (const role of stored) {
      const rules = gathered(role, stored);
      if (rules !== undefined && !equalJson(role.rules, rules)) await write(role.metadata.name ?? '', rules);
    }
  }

  async function write(name: string, rules: LabelledRole['rules']): Promise<void> {
    const next = (old: KubeObject): KubeObject => ({ ...old, rules: [...rules] });
    try {
      await update(context, { served: roles, namespace: undefined, name }, { next }, internalWrite);
    } catch (error) {
      // Deleted meanwhile: its own event has followed or will.
      if (!(error instanceof ApiError && error.status.code === 404)) throw error;
    }
  }

  return {
    close: () => {
      unfollow();
      return queue.close();
    },
  };
}
