/** /healthz, /livez and /readyz. */
import { noSuchResource } from '../status.ts';
import type { Exchange } from '../wire/exchange.ts';

/** Checks of /readyz, /livez and /healthz by name: undefined is good, a text says what is wrong. */
export type HealthChecks = { readonly [name: string]: () => string | undefined };

/** `ok`, or with `?verbose` a line for each check, as kube-apiserver prints them. */
export function sendHealth(
  exchange: Exchange,
  checks: HealthChecks,
  which: string,
  only: string | undefined,
): void {
  const excluded = new Set(exchange.query.getAll('exclude'));
  const names = Object.keys(checks).filter((name) => only === undefined || name === only);
  if (only !== undefined && names.length === 0) throw noSuchResource();
  const results = names
    .filter((name) => !excluded.has(name))
    .map((name) => ({ name, fault: checks[name]?.() }));
  const healthy = results.every(({ fault }) => fault === undefined);
  const lines = results.map(({ name, fault }) =>
    fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`,
  );
  const text = [...lines, `${which} check ${healthy ? 'passed' : 'failed'}`, ''].join('\n');
  const brief = healthy && !exchange.query.has('verbose');
  exchange.send(healthy ? 200 : 500, 'text/plain; charset=utf-8', brief ? 'ok' : text);
}
