/** The driver's request of a guest, from its object and what its devices plug into. */
import type { GuestObject } from './kind.ts';
import type { Scope } from './scope.ts';

/** Throws when an attachment is missing: call it only when the volumes and networks steps are Ready. */
export function requestFor<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): Request {
  const { kind, object, memory, record, nicWishes } = scope;
  const attachments = { volumes: memory.volumes, nics: memory.nics, idBase: record?.idBase ?? 0 };
  return kind.request(object, attachments, nicWishes);
}
