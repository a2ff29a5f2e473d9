/** What every verb works with. */

import type { World } from '../../base/world.ts';
import type { Store } from '../../store/contract.ts';
import type { User } from '../access/user.ts';
import type { Admission } from '../admission/admission.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Served } from '../catalog/served.ts';
import type { Convert } from '../conversion/convert.ts';
import type { Pace } from '../fairness/pace.ts';
import type { Turns } from '../fairness/turns.ts';
import type { KubeObject } from '../object.ts';
import type { Hub } from '../watch/hub.ts';
import type { FieldIndexes } from './fieldIndex.ts';
import type { NamespaceGate } from './gate.ts';

/** The server's parts. */
export type Context = Pick<World, 'clock' | 'random' | 'log'> & {
  store: Store;
  catalog: Catalog;
  hub: Hub;
  indexes: FieldIndexes;
  gate: NamespaceGate;
  /** How clients share the one thread. */
  turns: Turns;
  /** Converts objects between versions of their resource. */
  convert: Convert;
  /** Asked for each write of a user once it is valid: may it be stored? */
  admission?: Admission;
  /** Asked before each write of a user: may this user write this? Absent: everything that was authorized. */
  guard?: WriteGuard;
};

/**
 * Looks at what is about to be written, past what authorization saw; throws 403. `old` is there at updates, `subresource` at
 * those through one.
 */
export type WriteGuard = (write: {
  served: Served;
  user: User;
  object: KubeObject;
  old?: KubeObject;
  subresource?: string;
}) => void | Promise<void>;

/** One object, or the place for one. */
export type Place = { served: Served; namespace: string | undefined; name: string };

/** The options common to writes. */
export type WriteOptions = {
  dryRun: boolean;
  fieldManager: string;
  /** Who writes; absent when the server itself does. */
  user?: User;
  fieldValidation: 'Ignore' | 'Warn' | 'Strict';
  /** Takes a sentence for a Warning header. */
  warn: (text: string) => void;
  /** Takes what the audit log is to say of the request. */
  annotate?: (key: string, value: string) => void;
  /** Between the steps of a write, which of a large object are long. Absent: it is never long. */
  pace?: Pace;
};
