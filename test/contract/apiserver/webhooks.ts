/** Webhooks on loopback for the cases: what each answers stands in a table, so that any server on this machine can ask them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCredentials } from '../../../src/apiserver/pki/credentials.ts';
import { realWorld } from '../../../src/main/world/world.ts';

export type Webhooks = {
  /** `{hooks}` in cases. */
  url: string;
  /** `{hooksCa}` in cases: the authority of their certificate, as a clientConfig wants it. */
  caBundle: string;
  close(): Promise<void>;
};

type Thing = {
  apiVersion: string;
  metadata: { annotations?: { [key: string]: string } };
  spec?: { [field: string]: unknown };
};
type Kind = { group: string; version: string };
type Review = {
  kind: string;
  request: {
    uid: string;
    kind: Kind;
    requestKind: Kind;
    object: Thing | null;
    oldObject: Thing | null;
    objects: Thing[];
    desiredAPIVersion: string;
  };
};

const patching = (operations: unknown[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

/** Puts a text at the end of the annotation `order`. */
const append = (object: Thing | null, text: string) => {
  const annotations = { ...object?.metadata.annotations };
  annotations.order = (annotations.order ?? '') + text;
  return patching([{ op: 'add', path: '/metadata/annotations', value: annotations }]);
};

/** Widgets whose `size` is called `amount` in v2. */
const convert = (thing: Thing, apiVersion: string): Thing => {
  const { size, amount, ...rest } = thing.spec ?? {};
  const count = size ?? amount;
  const named = count === undefined ? {} : apiVersion.endsWith('/v2') ? { amount: count } : { size: count };
  return { ...thing, apiVersion, spec: { ...rest, ...named } };
};

const answers: { [path: string]: (request: Review['request']) => object } = {
  '/append-a': ({ object }) => append(object, 'a'),
  '/append-b': ({ object }) => append(object, 'b'),
  '/append-c': ({ object }) => append(object, 'c'),
  '/touch': ({ object }) => append(object, ''),
  /** Says which versions it was shown, and makes the size 7. */
  '/versions': ({ kind, requestKind, object }) =>
    patching([
      {
        op: 'add',
        path: '/metadata/annotations',
        value: { seen: `${object?.apiVersion} ${kind.version} ${requestKind.version} ${object?.spec?.size}` },
      },
      { op: 'replace', path: '/spec/size', value: 7 },
    ]),
  /** Refuses with the sizes it was shown. */
  '/refuse': ({ object, oldObject }) => ({
    allowed: false,
    status: { message: `size is ${object?.spec?.size}, was ${oldObject?.spec?.size}` },
  }),
  '/convert': ({ objects, desiredAPIVersion }) => ({
    result: { status: 'Success' },
    convertedObjects: objects.map((thing) => convert(thing, desiredAPIVersion)),
  }),
};

/** Starts them on a free port of 127.0.0.1. */
export async function startWebhooks(): Promise<Webhooks> {
  const directory = await mkdtemp(join(tmpdir(), 'webhooks-'));
  const { server: pair, authority } = await loadCredentials({
    directory,
    world: realWorld(),
    hosts: ['127.0.0.1'],
  });
  const server = createServer({ cert: pair.certificate, key: pair.key }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const review = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Review;
    const [path = ''] = (request.url ?? '').split('?');
    const answer = answers[path]?.(review.request);
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...review, response: { uid: review.request.uid, ...answer } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
