/** Applies manifests and follows them until they are Ready: what `npm start` shows a newcomer. */

import type { KindDefinition } from '../api/kind.ts';
import { apiVersionOf, type KubeObject, type Stored } from '../api/meta.ts';
import { kinds } from '../api/registry.ts';
import type { Clock } from '../base/clock.ts';
import type { Files } from '../base/files.ts';
import { ApiError, type Client } from '../client/contract.ts';
import { readManifests } from './manifests.ts';

export type Sample = { kind: KindDefinition; object: KubeObject };
type WithConditions = KubeObject<
  unknown,
  { phase?: string; conditions?: { type: string; status: string; reason: string; message: string }[] }
>;

/** The objects of Vireo's kinds under a path, namespaced ones in `default` unless they say otherwise. Throws on a bad manifest. */
export async function readSamples(files: Files, path: string): Promise<Sample[]> {
  const { manifests, errors } = await readManifests(files, path);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${error.file}:${error.line}: ${error.message}`);
  return manifests.map(({ file, object }) => {
    const plain = object as KubeObject;
    const kind = kinds.find((known) => known.kind === plain.kind && apiVersionOf(known) === plain.apiVersion);
    if (kind === undefined) throw new Error(`${file}: ${plain.kind} is no kind of Vireo`);
    const metadata = kind.namespaced ? { namespace: 'default', ...plain.metadata } : plain.metadata;
    return { kind, object: { ...plain, metadata } };
  });
}

export async function applySamples(client: Client, samples: readonly Sample[]): Promise<void> {
  for (const { kind, object } of samples) await client.apply(kind, object);
}

/**
 * Waits until every sample is Ready, telling each change of state once. Throws when one is Stalled, with its message, or after `timeoutMs`.
 */
export async function followSamples(
  client: Client,
  samples: readonly Sample[],
  options: { clock: Clock; signal: AbortSignal; timeoutMs: number; tell(line: string): void },
): Promise<void> {
  const { clock, signal, tell } = options;
  const deadline = clock.monotonic() + options.timeoutMs;
  const told = new Map<string, string>();
  for (;;) {
    const states = await Promise.all(
      samples.map(async (sample) => ({ sample, ...stateOf(await find(client, sample)) })),
    );
    for (const { sample, text } of states) {
      const name = `${sample.kind.singular}/${sample.object.metadata.name}`;
      if (told.get(name) !== text) tell(`${name}: ${text}`);
      told.set(name, text);
    }
    if (states.every(({ ready }) => ready)) return;
    const stalled = states.find(({ stuck }) => stuck);
    if (stalled !== undefined)
      throw new Error(
        `${stalled.sample.kind.singular}/${stalled.sample.object.metadata.name}: ${stalled.text}`,
      );
    if (clock.monotonic() > deadline) throw new Error('the samples were not Ready in time');
    await clock.sleep(300, signal);
  }
}

/** Deletes guests first, then what they used; resolves when all are gone. */
export async function deleteSamples(
  client: Client,
  samples: readonly Sample[],
  clock: Clock,
  timeoutMs: number,
): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  await Promise.all(
    samples.map(({ kind, object }) =>
      client.delete(kind, object.metadata).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.code === 404)) throw error;
      }),
    ),
  );
  while (
    (await Promise.all(samples.map((sample) => find(client, sample)))).some((object) => object !== undefined)
  ) {
    if (clock.monotonic() > deadline) throw new Error('the samples were not removed in time');
    await clock.sleep(200);
  }
}

function find(client: Client, { kind, object }: Sample): Promise<Stored<WithConditions> | undefined> {
  return client.find(kind, object.metadata) as Promise<Stored<WithConditions> | undefined>;
}

function stateOf(object: WithConditions | undefined): { ready: boolean; stuck: boolean; text: string } {
  const condition = (type: string) => object?.status?.conditions?.find((one) => one.type === type);
  const ready = condition('Ready');
  const stuck = condition('Stalled')?.status === 'True';
  if (ready?.status === 'True') return { ready: true, stuck, text: 'Ready' };
  const why =
    ready === undefined ? 'waiting' : `${ready.reason}${ready.message === '' ? '' : ` (${ready.message})`}`;
  return { ready: false, stuck, text: why };
}
