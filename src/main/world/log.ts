/** The log as JSON lines, one object a line, on standard error: standard output belongs to the command's own answer. */
import type { Log, LogFields } from '../../base/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof LEVELS)[number];

export type LogOptions = {
  /** Lines below it are dropped; default info. */
  level?: LogLevel;
  fields?: LogFields;
  now?: () => number;
  write?: (line: string) => void;
};

/** What JSON cannot hold, as text: a log line must never throw at its caller. */
function printable(_name: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === 'bigint' ? value.toString() : value;
}

function encode(line: Record<string, unknown>): string {
  try {
    return JSON.stringify(line, printable);
  } catch {
    const { time, level, msg } = line;
    return JSON.stringify({ time, level, msg, unprintable: true });
  }
}

/** A log of JSON lines with `time`, `level`, `msg` and the fields. */
export function jsonLog(options: LogOptions = {}): Log {
  const { level = 'info', fields = {}, now = Date.now } = options;
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const lowest = LEVELS.indexOf(level);

  const at = (name: LogLevel) => (message: string, more?: LogFields) => {
    if (LEVELS.indexOf(name) < lowest) return;
    const time = new Date(now()).toISOString();
    write(`${encode({ time, level: name, msg: message, ...fields, ...more })}\n`);
  };

  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => jsonLog({ level, now, write, fields: { ...fields, ...more } }),
  };
}
