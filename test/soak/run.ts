/**
 * `npm run soak:api [-- REQUESTS]`: ten thousand watchers, then a hundred thousand random requests to one server, in pieces. Ends with
 * 1 on a fault or growing memory.
 */
import { startEmbedded } from '../contract/apiserver/embedded.ts';
import { holdCrowd } from './crowd.ts';
import { definitionForSoak } from './definition.ts';
import { fuzz } from './fuzz.ts';
import { heldBytes } from './heap.ts';

const perPiece = 2_500;
const pieces = Math.ceil(Number(process.argv[2] ?? 100_000) / perPiece);
/** What the few names and namespaces of the requests may come to hold, with the ring of recent events. */
const allowedGrowth = 64 * 2 ** 20;

const watchers = 10_000;
const faults: string[] = [];
const { told, bytesEach, bytesLeft } = await holdCrowd(watchers);
process.stdout.write(
  `${told} of ${watchers} watchers told, ${(bytesEach / 1024).toFixed(0)} KiB each with its client, ${(bytesLeft / 2 ** 20).toFixed(1)} MiB left afterwards\n`,
);
if (told !== watchers || bytesLeft > 20 * 2 ** 20) faults.push('the crowd was not held');

const server = await startEmbedded();
const codes = new Map<number, number>();
let settled = 0;
let sent = 0;
for (let seed = 0; seed < pieces; seed++) {
  await definitionForSoak(server.target).catch(() => {});
  const report = await fuzz(server.target, { seed, count: perPiece });
  sent += report.sent;
  for (const [code, count] of report.codes) codes.set(code, (codes.get(code) ?? 0) + count);
  faults.push(...report.faults);
  // The history of a store in memory grows until it is forgotten; what counts is what stays then.
  await server.store.compact(server.store.revision());
  const held = await heldBytes();
  if (seed === 3) settled = held;
  process.stdout.write(
    `${sent} requests, ${faults.length} faults, ${(held / 2 ** 20).toFixed(0)} MiB held\n`,
  );
  for (const fault of report.faults) process.stdout.write(`  seed ${seed}: ${fault}\n`);
  if (settled > 0 && held - settled > allowedGrowth) {
    faults.push('memory grows');
    process.stdout.write(`memory grew by ${((held - settled) / 2 ** 20).toFixed(0)} MiB\n`);
    break;
  }
}
const answers = [...codes].sort(([a], [b]) => a - b).map(([code, count]) => `${code}: ${count}`);
process.stdout.write(`answers ${answers.join(', ')}\n`);
await server.stop();
process.exitCode = faults.length > 0 ? 1 : 0;
