/** The process of the mixture that reads: it is told the load, says when it is ready, begins when it is told to, and says what failed. */
import { once } from 'node:events';
import process from 'node:process';
import { type Load, play, warmUpSeconds } from './mixture.ts';

const [message] = await once(process, 'message');
const load = message as Load;
await play({ ...load, seconds: warmUpSeconds }, 'reads', async () => {});
const { failures } = await play(load, 'reads', async () => {
  process.send?.('ready');
  await once(process, 'message');
});
process.send?.([...failures]);
process.disconnect();
