/** `kubectl vireo fence confirm HOST`: a person's word that a lost host is off, for the incident that is open now and no other. */
import { FenceAction } from '../api/kinds/fenceAction.ts';
import { Host } from '../api/kinds/host.ts';
import { apiVersionOf, type KindRef, type KubeObject } from '../api/meta.ts';
import { objectName } from '../api/objectName.ts';
import type { Clock } from '../base/clock.ts';
import { ReasonedError } from '../base/outcome.ts';
import { ApiError, type Client } from '../client/contract.ts';

const LOOK_EVERY_MS = 500;

type SelfSubjectReview = KubeObject<undefined, { userInfo?: { username?: string } }>;
/** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review */
const SelfSubjectReview: KindRef<SelfSubjectReview> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  namespaced: false,
};

/**
 * Resolves with what became of the word. Throws ReasonedError NoIncident, or NotConfirmed when it has not counted in time: another host hears
 * this one, or no manager leads.
 */
export async function confirmFence(
  client: Client,
  name: string,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<string> {
  const { status } = await client.get(Host, { name });
  const { state, incident } = status?.ha ?? {};
  if (state !== 'Fencing' || incident === undefined)
    throw new ReasonedError(
      'NoIncident',
      `nothing waits for a word about ${name} (${state ?? 'high availability is off'})`,
    );
  const { id, bootID, term } = incident;
  const action: FenceAction = {
    apiVersion: apiVersionOf(FenceAction),
    kind: FenceAction.kind,
    metadata: { name: objectName(`${id}-manual`) },
    spec: {
      ...{ host: name, incident: id, bootID, term },
      method: 'Manual',
      confirmedBy: await whoAmI(client),
    },
  };
  await client.create(FenceAction, action).catch((error: unknown) => {
    // Said before, by whoever: the same word.
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
  });
  const until = clock.monotonic() + timeoutMs;
  for (;;) {
    const host = await client.get(Host, { name });
    const proof = host.status?.ha?.proof;
    if (proof?.incident === id) return `${name}: proof ${proof.kind}, its guests are started elsewhere\n`;
    if (host.status?.ha?.incident?.id !== id) return `${name}: the incident is over, the host lives\n`;
    if (clock.monotonic() >= until)
      throw new ReasonedError(
        'NotConfirmed',
        `the word is stored and does not count yet: see that no other host reaches ${name}, and that a manager leads`,
      );
    await clock.sleep(LOOK_EVERY_MS);
  }
}

/** The name says nothing: a review is stored nowhere. */
async function whoAmI(client: Client): Promise<string> {
  const asked = { apiVersion: apiVersionOf(SelfSubjectReview), kind: SelfSubjectReview.kind };
  const review = await client.create(SelfSubjectReview, {
    ...asked,
    metadata: { name: 'me' },
    spec: undefined,
  });
  const username = review.status?.userInfo?.username;
  if (username === undefined) throw new ReasonedError('Unknown', 'the API server does not say who you are');
  return username.slice(0, 253);
}
