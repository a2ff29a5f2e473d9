import { describe, expect, it } from 'vitest';
import { parseSimulation } from '../../../src/main/drivers/simulation.ts';

describe('the file of --simulation', () => {
  it('names latency and faults', () => {
    const text = 'latency: {startMs: 200}\nfaults:\n  web: {failStarts: 2}\n  "*": {ignoreShutdown: true}\n';
    expect(parseSimulation(text, 'f')).toEqual({
      latency: { startMs: 200 },
      faults: { web: { failStarts: 2 }, '*': { ignoreShutdown: true } },
    });
  });

  it('may be empty', () => {
    expect(parseSimulation('', 'f')).toEqual({ latency: {}, faults: {} });
  });

  it.each([
    ['latancy: {}', 'f: latancy is unknown: there are latency and faults'],
    ['latency: {startMs: fast}', 'f: latency.startMs must be a number from 0'],
    [
      'faults: {web: {failStart: 1}}',
      'f: faults.web.failStart is unknown: there are failStarts, ignoreShutdown, failFreeze, crashAfterMs',
    ],
    [
      'faults: {web: {failTransferIn: Lunch}}',
      'f: faults.web.failTransferIn must be one of Disks, Memory, SwitchingOver',
    ],
    ['faults: [web]', 'f: faults must be a mapping'],
  ])('is refused with the path of what is wrong: %s', (text, message) => {
    expect(() => parseSimulation(text, 'f')).toThrow(message);
  });
});
