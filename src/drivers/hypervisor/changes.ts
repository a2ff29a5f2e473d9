/**
 * What differs between the request a guest runs with and the one asked for now, in the words of the resource's spec. Pure; it applies
 * nothing: a driver applies the Live ones and hands the rest on.
 */
import type { NicAttachment } from '../network/contract.ts';
import type { VolumeAttachment } from '../storage/contract.ts';
import type { PendingChange } from './contract.ts';

export type ChangeClass = PendingChange['class'];

/** How one field of a request is compared. Without a rule: path as the field is called, class Restart. */
export type ChangeRule = {
  /** Replaces the field's own name in the path; '' names the parent. */
  path?: string;
  class?: ChangeClass | ((from: unknown, to: unknown) => ChangeClass);
  /** Turns the whole value into the text that is compared and shown. */
  show?: (value: unknown) => string;
};

/** Rules by pattern: `memoryBytes`, `disks[].sizeBytes`. */
export type ChangeRules = Readonly<Record<string, ChangeRule>>;

/** Longest value shown: status.pendingChanges[] admits 253 characters. */
const longestValue = 200;

/** Differences from what runs to what is wanted, in the order of the fields; [] when equal. */
export function compareRequests(running: unknown, wanted: unknown, rules: ChangeRules): PendingChange[] {
  const found: PendingChange[] = [];
  compare({ from: running, to: wanted, parent: '', name: '', pattern: '' }, rules, found);
  return found;
}

type Pair = { from: unknown; to: unknown; parent: string; name: string; pattern: string };

function compare(pair: Pair, rules: ChangeRules, found: PendingChange[]): void {
  const { from, to } = pair;
  const rule = rules[pair.pattern];
  const fromItems = namedItems(from);
  const toItems = namedItems(to);
  if (rule !== undefined) compareLeaf(pair, rule, found);
  else if (fromItems !== undefined && toItems !== undefined) {
    compareItems(fromItems, toItems, pair, rules, found);
  } else if (isRecord(from) && isRecord(to)) compareMembers(from, to, pair, rules, found);
  else compareLeaf(pair, {}, found);
}

function compareItems(
  from: Map<string, unknown>,
  to: Map<string, unknown>,
  list: Pair,
  rules: ChangeRules,
  found: PendingChange[],
): void {
  for (const key of union(from.keys(), to.keys())) {
    const [a, b] = [from.get(key), to.get(key)];
    const item = {
      parent: '',
      name: `${join(list.parent, list.name)}[${key}]`,
      pattern: `${list.pattern}[]`,
    };
    if (a !== undefined && b !== undefined) compare({ from: a, to: b, ...item }, rules, found);
    else compareLeaf({ from: presence(a), to: presence(b), ...item }, {}, found);
  }
}

function compareMembers(
  from: Readonly<Record<string, unknown>>,
  to: Readonly<Record<string, unknown>>,
  whole: Pair,
  rules: ChangeRules,
  found: PendingChange[],
): void {
  for (const key of union(Object.keys(from), Object.keys(to))) {
    const member = {
      parent: join(whole.parent, whole.name),
      name: key,
      pattern: whole.pattern === '' ? key : `${whole.pattern}.${key}`,
    };
    compare({ from: from[key], to: to[key], ...member }, rules, found);
  }
}

function compareLeaf(pair: Pair, rule: ChangeRule, found: PendingChange[]): void {
  const show = rule.show ?? showPlain;
  const from = pair.from === undefined ? 'absent' : show(pair.from);
  const to = pair.to === undefined ? 'absent' : show(pair.to);
  if (from === to) return;
  found.push({
    path: join(pair.parent, rule.path ?? pair.name),
    from: from.slice(0, longestValue),
    to: to.slice(0, longestValue),
    class: typeof rule.class === 'function' ? rule.class(pair.from, pair.to) : (rule.class ?? 'Restart'),
  });
}

function join(parent: string, name: string): string {
  return parent === '' || name === '' ? `${parent}${name}` : `${parent}.${name}`;
}

function presence(value: unknown): string | undefined {
  return value === undefined ? undefined : 'present';
}

function union(a: Iterable<string>, b: Iterable<string>): Set<string> {
  return new Set([...a, ...b]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The items of a list by their name; undefined when this is no list of named things. */
function namedItems(value: unknown): Map<string, unknown> | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = new Map<string, unknown>();
  for (const item of value) {
    if (!isRecord(item) || typeof item.name !== 'string') return undefined;
    items.set(item.name, item);
  }
  return items;
}

function showPlain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Bytes in the largest binary unit that divides them: 536870912 -> 512Mi. */
export function showBytes(value: unknown): string {
  let amount = Number(value);
  for (const unit of ['', 'Ki', 'Mi', 'Gi']) {
    if (amount % 1024 !== 0 || amount === 0) return `${amount}${unit}`;
    amount /= 1024;
  }
  return `${amount}Ti`;
}

function showAttachment(value: unknown): string {
  const attachment = value as NicAttachment;
  return attachment.type === 'User' ? 'user' : `bridge ${attachment.bridge}`;
}

function showVolume(value: unknown): string {
  return (value as VolumeAttachment).path;
}

/** A volume never shrinks in place; growing is announced to the running guest. */
function sizeClass(from: unknown, to: unknown): ChangeClass {
  return Number(to) < Number(from) ? 'Recreate' : 'Live';
}

/** How MachineRequests are compared: paths mirror VirtualMachine's spec. */
export const machineChangeRules: ChangeRules = {
  memoryBytes: { path: 'memory.size', show: showBytes },
  firmware: { path: 'firmware.type' },
  guestAgent: { path: 'guestAgent.enabled' },
  'disks[].sizeBytes': { path: 'size', show: showBytes, class: sizeClass },
  'disks[].volume': { path: 'volume', show: showVolume },
  'networks[].linkState': { class: 'Live' },
  'networks[].attachment': { path: '', show: showAttachment },
};

/** How ContainerRequests are compared where limits change live: paths mirror Container's spec. */
export const containerChangeRules: ChangeRules = {
  'cpu.cores': { class: 'Live' },
  'cpu.limit': { class: 'Live' },
  memoryBytes: { path: 'memory', show: showBytes, class: 'Live' },
  swapBytes: { path: 'swap', show: showBytes, class: 'Live' },
  pidsLimit: { class: 'Live' },
  idBase: { path: 'unprivileged' },
  rootfs: { show: showVolume },
  'networks[].attachment': { path: '', show: showAttachment },
};
