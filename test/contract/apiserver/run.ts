/** Runs the cases against a server. */
import type { Answer, Client } from './client.ts';
import { differences, valueAt } from './match.ts';
import type { Case, Expect, Send, Step } from './suite.ts';
import type { Webhooks } from './webhooks.ts';

/** The administrator, and a client that shows nothing of itself; `foreign` is a server that is not the embedded one. */
export type Clients = { admin: Client; stranger: Client; foreign: boolean; hooks: Webhooks };

/** Runs one case in a namespace of its own, which is deleted afterwards. Throws an Error that lists what differs. */
export async function runCase(clients: Clients, wanted: Case, namespace: string): Promise<void> {
  const { hooks } = clients;
  const known = new Map([
    ['ns', namespace],
    ['hooks', hooks.url],
    ['hooksCa', hooks.caBundle],
  ]);
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  const { admin } = clients;
  const made = await admin.send('POST', '/api/v1/namespaces', { body });
  if (made.code !== 201) throw new Error(`the namespace could not be made: ${made.text}`);
  try {
    for (const [index, step] of wanted.steps.entries()) await runStep(clients, step, index, known);
  } finally {
    await admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
  }
}

const patienceMs = 15_000;

async function runStep(
  clients: Clients,
  step: Step,
  index: number,
  known: Map<string, string>,
): Promise<void> {
  const { method, path, as, token, ...rest } = fill(step.send, known);
  const client = token === undefined ? clients.admin : clients.stranger;
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...impersonating(as),
  };
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const answer = await client.send(method, path, { ...rest, headers });
    const found = faults(answer, clients.foreign ? elsewhere(step.expect) : step.expect, known);
    if (found.length === 0) {
      for (const [name, at] of Object.entries(step.save ?? {}))
        known.set(name, String(valueAt(answer.body, at)));
      return;
    }
    if (step.expect.eventually !== true || Date.now() > deadline) {
      throw new Error(
        `step ${index + 1}: ${method} ${path}\n  ${found.join('\n  ')}\nanswer: ${answer.text.slice(0, 2000)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function impersonating(as: Send['as']): { [name: string]: string | string[] } {
  if (as === undefined) return {};
  const extra = Object.entries(as.extra ?? {}).map(([key, value]) => [
    `impersonate-extra-${encodeURIComponent(key)}`,
    value,
  ]);
  return {
    'impersonate-user': as.user,
    ...(as.groups === undefined ? {} : { 'impersonate-group': [...as.groups] }),
    ...Object.fromEntries(extra),
  };
}

function elsewhere(expect: Expect): Expect {
  return expect.elsewhere === undefined ? expect : { code: expect.elsewhere.code };
}

function faults(answer: Answer, expect: Expect, known: ReadonlyMap<string, string>): string[] {
  const wanted = fill(expect.body, known);
  return [
    ...(answer.code === expect.code ? [] : [`the code is ${answer.code}, not ${expect.code}`]),
    ...(wanted === undefined ? [] : differences(answer.body, wanted)),
    ...(expect.text === undefined || filled(expect.text, known).test(answer.text)
      ? []
      : [`the text does not match ${expect.text}`]),
    ...(expect.events === undefined
      ? []
      : differences(eventsIn(answer.text), fill(expect.events, known), 'events')),
    ...Object.entries(expect.headers ?? {}).flatMap(([name, value]) => {
      const actual = String(answer.headers[name] ?? '');
      const fits = typeof value === 'string' ? actual === value : value.test(actual);
      return fits ? [] : [`header ${name} is ${JSON.stringify(actual)}, not ${value}`];
    }),
  ];
}

function filled({ source, flags }: RegExp, known: ReadonlyMap<string, string>): RegExp {
  return new RegExp(fill(source, known), flags);
}

function eventsIn(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { type: string })
    .filter(({ type }) => type !== 'BOOKMARK');
}

/** Puts saved values in place of `{name}`, in all strings. */
function fill<T>(value: T, known: ReadonlyMap<string, string>): T {
  if (typeof value === 'string') {
    return value.replace(/\{([a-zA-Z]+)\}/g, (whole, name: string) => known.get(name) ?? whole) as T;
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, known)) as T;
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, known)])) as T;
}
