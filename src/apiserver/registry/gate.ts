/**
 * Keeps a namespace's end and the creation of objects in it apart. A creation counts as under way from its look at the
 * namespace until it is durable; a namespace that terminates is emptied only once none is under way.
 */

import type { Store } from '../../store/contract.ts';
import { keyOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { forbidden, notFound, type Subject } from '../status.ts';
import { bufferOf, decode } from './codec.ts';

/** The gate. */
export type NamespaceGate = {
  /** Lets a creation begin; throws 404 without the namespace and 403 while it terminates. The returned function ends it. */
  enter(namespace: string, subject: Subject, name: string): () => void;
  /** Resolves once no creation that began earlier is under way. */
  drained(namespace: string): Promise<void>;
};

/** Makes the gate; `namespaces` is the served Namespace kind. */
export function createNamespaceGate(store: Store, namespaces: Served): NamespaceGate {
  const underWay = new Map<string, Set<Promise<void>>>();

  function check(namespace: string, subject: Subject, name: string): void {
    const entry = store.get(keyOf(namespaces.prefix, undefined, namespace));
    if (entry === undefined) throw notFound({ group: '', plural: 'namespaces' }, namespace);
    // Parsing is only needed for the rare namespace whose bytes say that it is being deleted.
    if (!bufferOf(entry.value).includes('"deletionTimestamp"')) return;
    if (decode(namespaces, entry).metadata.deletionTimestamp === undefined) return;
    throw forbidden(
      subject,
      name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
      [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    );
  }

  return {
    enter: (namespace, subject, name) => {
      check(namespace, subject, name);
      const creations = underWay.get(namespace) ?? new Set();
      underWay.set(namespace, creations);
      let finish = () => {};
      const creation = new Promise<void>((resolve) => {
        finish = resolve;
      });
      creations.add(creation);
      return () => {
        creations.delete(creation);
        if (creations.size === 0 && underWay.get(namespace) === creations) underWay.delete(namespace);
        finish();
      };
    },
    drained: async (namespace) => {
      await Promise.all(underWay.get(namespace) ?? []);
    },
  };
}
