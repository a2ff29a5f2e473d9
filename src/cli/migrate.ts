/** `kubectl vireo migrate KIND/NAME`: asks for one move of a guest and follows it to its end. Leaving does not cancel it. */
import { Container } from '../api/kinds/container.ts';
import { isOver, Migration } from '../api/kinds/migration.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import { apiVersionOf, type Stored } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import { formatBytes } from '../base/quantity.ts';
import type { Random } from '../base/random.ts';
import { ApiError, type Client } from '../client/contract.ts';
import type { ConsoleTarget } from './console.ts';

export type MigrateOptions = {
  target: ConsoleTarget;
  /** Chosen by the cluster when absent. */
  to?: string;
  /** The guest may be stopped for the move. */
  offline: boolean;
};

const LOOK_EVERY_MS = 500;
/** Long enough to be read afterwards, and gone by itself. */
const KEPT_SECONDS = 3_600;

/** The exit code: 0 when the guest and its set have moved, 1 when one of them stayed. Rejects with ApiError, and when a running machine would have to be stopped unasked. */
export async function migrate(
  { client, clock, random }: { client: Client; clock: Clock; random: Random },
  options: MigrateOptions,
  print: (line: string) => void,
): Promise<number> {
  const { target } = options;
  await refuseUnaskedStop(client, options);
  const { metadata } = await client.create(Migration, migrationOf(options, random));
  print(
    `migration ${metadata.name} (leaving with Ctrl-C does not cancel it: kubectl delete mig ${metadata.name} does)`,
  );
  let shown = '';
  for (;;) {
    const migration = await client.get(Migration, metadata);
    const line = lineOf(migration);
    if (line !== shown) print(line);
    shown = line;
    if (isOver(migration)) return followOthers(migration);
    await clock.sleep(LOOK_EVERY_MS);
  }

  /** None for somebody who may make Migrations and not list them. */
  async function listed(): Promise<readonly Stored<Migration>[]> {
    try {
      return (await client.list(Migration, { namespace: target.namespace })).items;
    } catch (error) {
      if (error instanceof ApiError && error.code === 403) return [];
      throw error;
    }
  }

  /** Those of its set that go behind it, as far as they are in its namespace. */
  async function followOthers(first: Stored<Migration>): Promise<number> {
    const told = new Set<string>();
    for (;;) {
      const items = await listed();
      const others = items.filter(({ spec }) => spec.follows?.name === first.metadata.name);
      for (const other of others.filter(isOver)) {
        const { metadata, spec } = other;
        if (!told.has(metadata.uid)) print(`with it ${spec.guest.kind}/${spec.guest.name}: ${lineOf(other)}`);
        told.add(metadata.uid);
      }
      if (others.every(isOver))
        return [first, ...others].every(({ status }) => status?.phase === 'Succeeded') ? 0 : 1;
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
}

async function refuseUnaskedStop(client: Client, { target, offline }: MigrateOptions): Promise<void> {
  const { kind, ...ref } = target;
  const guest =
    kind === 'Container' ? await client.get(Container, ref) : await client.get(VirtualMachine, ref);
  if (kind === 'Container' || offline) return;
  const is = (type: string) => guest.status?.conditions?.find((condition) => condition.type === type);
  const migratable = is('Migratable');
  if (is('Running')?.status !== 'True' || migratable?.status !== 'False') return;
  throw new Error(
    `${target.name} cannot move while it runs: ${migratable.message}. With --offline it is stopped for the move`,
  );
}

function migrationOf({ target, to, offline }: MigrateOptions, random: Random): Migration {
  const suffix = Buffer.from(random.bytes(4)).toString('hex');
  return {
    apiVersion: apiVersionOf(Migration),
    kind: Migration.kind,
    metadata: { name: `${target.name.slice(0, 54)}-${suffix}`, namespace: target.namespace },
    spec: {
      guest: { kind: target.kind, name: target.name },
      ttlSecondsAfterFinished: KEPT_SECONDS,
      ...(to === undefined ? {} : { targetHost: to }),
      ...(offline ? { type: 'Offline' as const } : {}),
    },
  };
}

function lineOf({ status }: Stored<Migration>): string {
  const { phase = 'Pending', message = 'waits for its turn', progress } = status ?? {};
  if (status?.completedAt === undefined) {
    const left = progress === undefined ? '' : ` (${formatBytes(progress.remainingBytes)} to send)`;
    return `${phase}: ${message}${phase === 'Copying' || phase === 'Synchronizing' ? left : ''}`;
  }
  const { totalMilliseconds: total, downtimeMilliseconds: down } = status;
  const figures = [
    ...(total === undefined ? [] : [`${total} ms in all`]),
    ...(down === undefined ? [] : [`stood still for ${down} ms`]),
  ];
  return `${phase}: ${message}${figures.length === 0 ? '' : ` (${figures.join(', ')})`}`;
}
