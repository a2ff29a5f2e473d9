/** `kubectl vireo drain HOST`: asks for maintenance by server-side apply without force, and shows how the host is emptied. */
import { Host, type HostSpec } from '../api/kinds/host.ts';
import type { MaintenanceGuest } from '../api/maintenance.ts';
import type { Stored } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import { ReasonedError } from '../base/outcome.ts';
import { ApiError, type Client } from '../client/contract.ts';
import { printTable } from './table.ts';

type Maintenance = NonNullable<HostSpec['maintenance']>;

const LOOK_EVERY_MS = 1_000;

/** Throws ReasonedError OwnedElsewhere, naming who declares the field. */
export async function setMaintenance(
  client: Client,
  name: string,
  maintenance: Maintenance | undefined,
): Promise<void> {
  const spec = maintenance === undefined ? {} : { maintenance };
  const wish: Host = { apiVersion: 'vireo.dev/v1alpha1', kind: 'Host', metadata: { name }, spec };
  // Apply would make a Host that does not exist.
  await client.get(Host, { name });
  const host = await client.apply(Host, wish).catch((error: unknown) => {
    throw error instanceof ApiError && error.code === 409 ? ownedElsewhere(name, error.message) : error;
  });
  if (maintenance !== undefined || host.spec.maintenance?.enabled !== true) return;
  const owners = managersOf(host).join(', ');
  throw ownedElsewhere(name, `still set by ${owners === '' ? 'somebody else' : owners}`);
}

function ownedElsewhere(host: string, who: string): ReasonedError {
  const message = `spec.maintenance of Host ${host} is declared elsewhere (${who}): change it there, in Git if it comes from Git`;
  return new ReasonedError('OwnedElsewhere', message);
}

type ManagedField = { manager?: string; fieldsV1?: { 'f:spec'?: { 'f:maintenance'?: unknown } } };

/** Who has declared spec.maintenance, by metadata.managedFields. */
function managersOf({ metadata }: Stored<Host>): string[] {
  const { managedFields = [] } = metadata as { managedFields?: ManagedField[] };
  return managedFields
    .filter(({ fieldsV1 }) => fieldsV1?.['f:spec']?.['f:maintenance'] !== undefined)
    .flatMap(({ manager }) => manager ?? []);
}

/** One row for each guest. */
export function printGuests(guests: readonly MaintenanceGuest[]): string {
  if (guests.length === 0) return 'no guest is to leave\n';
  const rows = guests.map(({ kind, namespace, name, state, message }) => [
    `${kind === 'Container' ? 'ct' : 'vm'}/${name}`,
    namespace,
    state,
    message ?? '',
  ]);
  return printTable(['guest', 'namespace', 'state', 'message'], rows);
}

/** Prints news until the host may be rebooted (true), or the time is over (false). */
export async function followDrain(
  client: Client,
  name: string,
  { clock, print, timeoutMs }: { clock: Clock; print(text: string): void; timeoutMs: number },
): Promise<boolean> {
  const until = clock.monotonic() + timeoutMs;
  let shown = '';
  for (;;) {
    const host = await client.get(Host, { name });
    const drained = host.status?.conditions?.find(({ type }) => type === 'Drained');
    const news = drained === undefined ? 'waiting for the manager' : `${drained.reason}: ${drained.message}`;
    if (news !== shown) print(`${news}\n`);
    shown = news;
    if (drained?.status === 'True') return true;
    if (clock.monotonic() >= until) return false;
    await clock.sleep(LOOK_EVERY_MS);
  }
}
