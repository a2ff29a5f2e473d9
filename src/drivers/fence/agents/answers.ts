/** What a fence agent's end means: exit codes are those of the FenceAgentAPI, texts those of fence-agents 4.x. */
import type { ReasonedError } from '../../../base/outcome.ts';
import type { FenceAction, FenceTarget } from '../contract.ts';
import { deviceRefused, deviceUnreachable, fenceFailed } from '../refusals.ts';

/** `status`: 0 is on, 2 is off, anything else an error. Everywhere else only 0 is good. */
export function succeeded(action: FenceAction, code: number): boolean {
  return code === 0 || (action === 'status' && code === 2);
}

const REFUSED =
  /unable to (connect\/login|obtain correct plug status)|authentication|unauthori[sz]ed|login failed|incorrect|no such (plug|port)|unknown plug|failed: you have to enter/i;
const UNREACHABLE =
  /timed out|timeout|refused|unreachable|no route|no response|name or service not known|unable to establish/i;

/** Python's own remarks are no part of the story. */
const NOISE = /DeprecationWarning|SyntaxWarning|^\s+(from|import) /;

/** What the agent said, in one line, without the values of secrets. */
export function lastWords(output: string, target: FenceTarget): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !NOISE.test(line));
  let words = lines.slice(-3).join(' ').replace(/\s+/g, ' ').trim().slice(0, 400);
  for (const secret of Object.values(target.secrets)) {
    if (secret !== '') words = words.replaceAll(secret, '***');
  }
  return words === '' ? 'it said nothing' : words;
}

/** The error a failed action stands for. */
export function failureOf(target: FenceTarget, action: FenceAction, output: string): ReasonedError {
  const said = lastWords(output, target);
  if (UNREACHABLE.test(said)) return deviceUnreachable(target.agent, action, said);
  if (REFUSED.test(said)) return deviceRefused(target.agent, action, said);
  return fenceFailed(target.agent, action, said);
}

/** Lines `plug,name[,status]`. */
export function parseList(output: string): { plug: string; name: string }[] {
  return output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [plug = '', name = ''] = line.split(',');
      return { plug, name };
    });
}
