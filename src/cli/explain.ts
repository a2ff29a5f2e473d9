/** `kubectl vireo explain KIND/NAME`: which host takes a guest, and why the others do not, as a table. */
import { printTable } from './table.ts';

type Row = { host: string } & ({ fits: true; score: number } | { fits: false; reason: string });

export type ExplainedGuest = {
  /** `vm/NAME` or `ct/NAME`. */
  guest: string;
  host: { name: string; is: 'Here' | 'Chosen' } | undefined;
  obstacle: string | undefined;
  verdicts: readonly Row[];
};

/** Sentences first, then one row for each host: those that fit, best first, then the others by name. */
export function printExplanation({ guest, host, obstacle, verdicts }: ExplainedGuest): string {
  const fit = verdicts.flatMap((row) => (row.fits ? [row] : [])).sort((a, b) => b.score - a.score);
  const others = verdicts.flatMap((row) => (row.fits ? [] : [row]));
  const rows = [
    ...fit.map(({ host: name, score }) => [
      name,
      host?.is === 'Chosen' && host.name === name ? 'Chosen' : 'Fits',
      '',
      String(Math.round(score * 1_000)),
    ]),
    ...others.map(({ host: name, reason }) => [name, 'Refused', reason, '']),
  ];
  const table = rows.length === 0 ? '' : `\n${printTable(['host', 'verdict', 'reason', 'score'], rows)}`;
  return `${headOf(guest, host, fit.length)}${obstacle === undefined ? '' : `${obstacle}\n`}${table}`;
}

function headOf(guest: string, host: ExplainedGuest['host'], fit: number): string {
  if (host === undefined) return `${guest} has no host it could run on now\n`;
  if (host.is === 'Chosen') return `${guest} would run on ${host.name}\n`;
  return `${guest} is on ${host.name}; ${fit === 0 ? 'no other host takes it' : 'others could take it'}\n`;
}
