import { Duplex, PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { joinConsole, parseTarget } from '../../../src/cli/console.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

/** A serial line that remembers what it was sent. */
function serialLine() {
  const sent: string[] = [];
  const line = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk.toString());
      done();
    },
  });
  return { line, sent };
}

function joined() {
  const { line, sent } = serialLine();
  const clock = createFakeClock();
  const input = new PassThrough();
  const shown: string[] = [];
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => shown.push(chunk.toString()));
  let over = false;
  const ended = joinConsole(line, { input, output }, clock).then(() => {
    over = true;
  });
  return { line, sent, clock, input, shown, ended, isOver: () => over };
}

describe('the console', () => {
  it('copies both ways, and asks for the prompt that was there before', async () => {
    const { line, sent, input, shown, ended } = joined();
    input.write('ls\n');
    line.push('bin etc\n');
    await new Promise((next) => setImmediate(next));
    expect(sent).toEqual(['\n', 'ls\n']);
    expect(shown).toEqual(['bin etc\n']);
    line.destroy();
    await ended;
  });

  it('is left with Ctrl-], which the guest does not see', async () => {
    const { sent, input, ended } = joined();
    input.write('\x1d');
    await ended;
    expect(sent).toEqual(['\n']);
  });

  it('waits for the answer to piped input until the guest is silent', async () => {
    const { line, clock, input, isOver, ended } = joined();
    input.end('ls\n');
    await new Promise((next) => setImmediate(next));
    await clock.advance(900);
    line.push('bin etc\n');
    await new Promise((next) => setImmediate(next));
    await clock.advance(900);
    expect(isOver()).toBe(false);
    await clock.advance(200);
    await ended;
  });

  it('is named like kubectl names things', () => {
    expect(parseTarget('vm/demo', 'default')).toEqual({
      kind: 'VirtualMachine',
      namespace: 'default',
      name: 'demo',
    });
    expect(parseTarget('containers/web', 'shop')).toEqual({
      kind: 'Container',
      namespace: 'shop',
      name: 'web',
    });
    expect(() => parseTarget('demo', 'default')).toThrow('write vm/NAME or ct/NAME');
  });
});
