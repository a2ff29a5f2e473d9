/** Fires random requests at a server and reports what no server may do: 500, silence, an error that is no Status. */
import { type ClientHttp2Session, connect } from 'node:http2';
import fc from 'fast-check';
import type { Target } from '../contract/apiserver/client.ts';
import { createClient } from '../contract/apiserver/client.ts';
import { type Collection, type Shot, shots } from './requests.ts';
import { nearlySound } from './sound.ts';

/** What came of it: answers by code, and each fault with the request that made it. */
export type Report = { sent: number; codes: Map<number, number>; faults: string[] };

const atOnce = 16;
const patienceMs = 20_000;
/** Answers that are in order though they are of the 500s: overload, a revision of the future, a full disk. */
const honest = new Set([501, 503, 504, 507]);

/** Sends `count` requests, the same ones for the same seed. Ends early when `until` says so. */
export async function fuzz(
  target: Target,
  options: { seed: number; count: number; until?: () => boolean },
): Promise<Report> {
  const collections = await collectionsOf(target);
  const all = fc.sample(mixed(collections), { seed: options.seed, numRuns: options.count });
  const session = connect(target.url, { ca: target.ca, ...keys(target) });
  const why: string[] = [];
  session.on('error', (error) => why.push(String(error)));
  session.on('goaway', (code) => why.push(`GOAWAY ${code}`));
  const report: Report = { sent: 0, codes: new Map(), faults: [] };
  let next = 0;
  const gunner = async () => {
    const isOver = () => session.destroyed || options.until?.() === true;
    for (let shot = all[next++]; shot !== undefined && !isOver(); shot = all[next++]) {
      const { code, text } = await fire(session, shot);
      report.sent++;
      report.codes.set(code, (report.codes.get(code) ?? 0) + 1);
      const fault = faultOf(shot, code, text);
      if (fault !== undefined) report.faults.push(`${fault}: ${JSON.stringify(shot)} ${text.slice(0, 300)}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, gunner));
  if (session.destroyed)
    report.faults.push(`the connection ended after ${report.sent} requests: ${why.join(', ')}`);
  session.destroy();
  return report;
}

/** Mostly requests with one fault at most, so that they come far; some with many, for the doors. */
function mixed(collections: readonly Collection[]): fc.Arbitrary<Shot> {
  return fc.oneof(
    { weight: 4, arbitrary: nearlySound(collections) },
    { weight: 1, arbitrary: shots(collections) },
  );
}

function keys({ cert, key }: Target): { cert?: string; key?: string } {
  return cert === undefined || key === undefined ? {} : { cert, key };
}

function faultOf(shot: Shot, code: number, text: string): string | undefined {
  if (code === 0) return 'no answer';
  if (code >= 500 && !honest.has(code)) return `code ${code}`;
  const readable = shot.method !== 'HEAD' && shot.headers.accept?.startsWith('application/json');
  if (code >= 400 && readable && shot.path.startsWith('/api') && !/"kind":\s*"Status"/.test(text))
    return `code ${code} without a Status`;
  return undefined;
}

/** Code 0 when nothing came in time. A watch is left once its head is there. */
function fire(session: ClientHttp2Session, shot: Shot): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    const head = { ':method': shot.method, ':path': shot.path, ...shot.headers };
    const stream = session.request(head, { endStream: shot.body === undefined });
    let code = 0;
    let text = '';
    const timer = setTimeout(() => stream.close(), patienceMs);
    stream.setEncoding('utf8');
    stream.on('response', (headers) => {
      code = Number(headers[':status']);
      if (shot.watch && code === 200) stream.close();
    });
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      clearTimeout(timer);
      resolve({ code, text });
    });
    if (shot.body !== undefined) stream.end(shot.body);
  });
}

/** Every collection by the server's own discovery, in a constant order. */
async function collectionsOf(target: Target): Promise<Collection[]> {
  const client = createClient(target);
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const lists = await Promise.all(['/api', '/apis'].map((path) => client.send('GET', path, { accept })));
  client.close();
  type Discovery = {
    items: {
      metadata?: { name?: string };
      versions: {
        version: string;
        resources?: { resource: string; scope: string; responseKind: { kind: string }; verbs: string[] }[];
      }[];
    }[];
  };
  const groups = lists.flatMap(({ body }) => (body as Discovery).items);
  const found = groups.flatMap(({ metadata, versions }) =>
    versions.flatMap(({ version, resources = [] }) =>
      resources.map(({ resource, scope, responseKind, verbs }) => ({
        group: metadata?.name ?? '',
        version,
        plural: resource,
        kind: responseKind.kind,
        namespaced: scope === 'Namespaced',
        verbs,
        builtin: metadata?.name !== 'soak.dev',
      })),
    ),
  );
  return found.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
