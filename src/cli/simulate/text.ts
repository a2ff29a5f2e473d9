/** A run's report for people, and its trace as lines of JSON. */
import { printTable } from '../table.ts';
import type { Report } from './run.ts';

export function traceText({ trace }: Report): string {
  return trace.map((line) => `${JSON.stringify(line)}\n`).join('');
}

export function printReport(report: Report): string {
  const { end, fences, recoveries, moves, violations, unmet } = report;
  const hosts = Object.entries(end.hosts).map(([name, { state, power, network }]) => [
    name,
    state,
    power,
    network,
  ]);
  const guests = Object.entries(end.guests).map(([name, { host, state, running, epoch, reason }]) => [
    ...[name, host ?? '', state, running ? 'yes' : 'no', String(epoch), reason ?? ''],
  ]);
  const lines = [
    ...fences.map(
      ({ host, method, suspectedAt, fencedAt }) =>
        `${host} fenced by ${method} at ${fencedAt}s, suspected at ${suspectedAt}s`,
    ),
    ...recoveries.map(
      ({ guest, from, to, faultAt, startedAt }) =>
        `${guest} recovered from ${from} to ${to}, running ${(startedAt - faultAt).toFixed(1)}s after the fault`,
    ),
    ...moves.map(
      ({ at, guest, how, from, to, result }) =>
        `${guest} moved from ${from} to ${to} at ${at}s: ${how}, ${result}`,
    ),
    ...violations.map(({ invariant, at, detail }) => `BROKEN ${invariant} at ${at}s: ${detail}`),
    ...unmet.map((problem) => `UNEXPECTED ${problem}`),
  ];
  return [
    printTable(['host', 'state', 'power', 'network'], hosts),
    printTable(['guest', 'host', 'state', 'running', 'epoch', 'reason'], guests),
    ...lines.map((line) => `${line}\n`),
    `${report.ok ? 'ok' : 'FAILED'}: ${report.scenario}, ${end.at}s with seed ${report.seed}\n`,
  ].join('');
}
