import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { lauxlib, lua, lualib, to_jsstring, to_luastring } from 'fengari';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';

const path = resolve(import.meta.dirname, '../../../manifests/argocd/health.yaml');
const { data } = load(readFileSync(path, 'utf8')) as { data: Record<string, string> };
const script = data['resource.customizations.health.vireo.dev_*'] ?? '';

/** A JSON value as a Lua expression. */
function inLua(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(inLua).join(', ')}}`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, child]) => `[${JSON.stringify(name)}] = ${inLua(child)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}

/** What Argo CD gets from the script for this object. */
function health(object: unknown): { status: string; message: string } {
  const state = lauxlib.luaL_newstate();
  lualib.luaL_openlibs(state);
  const field = (name: string) => `_vireo.${name} or ""`;
  const program = `obj = ${inLua(object)}\n_vireo = (function()\n${script}\nend)()\nreturn ${field('status')}, ${field('message')}`;
  const failed = lauxlib.luaL_dostring(state, to_luastring(program));
  if (failed) throw new Error(to_jsstring(lua.lua_tostring(state, -1)));
  return {
    status: to_jsstring(lua.lua_tostring(state, -2)),
    message: to_jsstring(lua.lua_tostring(state, -1)),
  };
}

const object = (conditions?: [type: string, status: string, reason: string][], more: object = {}) => ({
  metadata: { name: 'demo', generation: 2, ...more },
  ...(conditions === undefined
    ? {}
    : {
        status: {
          observedGeneration: 2,
          conditions: conditions.map(([type, status, reason]) => ({
            type,
            status,
            reason,
            message: 'what to do',
          })),
        },
      }),
});

describe('health for Argo CD', () => {
  it.each([
    ['a new object', object(), 'Progressing'],
    ['a running guest', object([['Ready', 'True', 'Running']]), 'Healthy'],
    ['a guest stopped as declared', object([['Ready', 'True', 'Stopped']]), 'Healthy'],
    [
      'a guest that waits',
      object([
        ['Ready', 'False', 'NoHostFits'],
        ['Reconciling', 'True', 'NoHostFits'],
      ]),
      'Progressing',
    ],
    [
      'an image that cannot be made',
      object([
        ['Ready', 'False', 'ImageBroken'],
        ['Stalled', 'True', 'ImageBroken'],
      ]),
      'Degraded',
    ],
    [
      'a guest being deleted',
      object([['Ready', 'True', 'Running']], { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      'Progressing',
    ],
    [
      'a change nobody has looked at',
      object([['Ready', 'True', 'Running']], { generation: 3 }),
      'Progressing',
    ],
  ])('of %s', (_, given, status) => {
    expect(health(given).status).toBe(status);
  });

  it('says why, with what to do', () => {
    expect(health(object([['Stalled', 'True', 'ImageBroken']])).message).toBe('ImageBroken: what to do');
  });
});
