/** What every verb works with. */
import type { World } from '../../base/world.ts';
import type { Store } from '../../store/contract.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Served } from '../catalog/served.ts';
import type { Hub } from '../watch/hub.ts';
import type { NamespaceGate } from './gate.ts';

/** The server's parts. */
export type Context = Pick<World, 'clock' | 'random' | 'log'> & {
  store: Store;
  catalog: Catalog;
  hub: Hub;
  gate: NamespaceGate;
};

/** One object, or the place for one. */
export type Place = { served: Served; namespace: string | undefined; name: string };

/** The options common to writes. */
export type WriteOptions = {
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: 'Ignore' | 'Warn' | 'Strict';
  /** Takes a sentence for a Warning header. */
  warn: (text: string) => void;
};
