import { describe, expect, it } from 'vitest';
import { agentDeclarations } from '../../../src/agent/access.ts';
import { createLab } from './lab.ts';

describe('what the agent declares for RBAC', () => {
  it('is what its controllers declare', async () => {
    const lab = createLab();
    const agent = await lab.start();
    await lab.clock.advance(1_000);
    const essence = ({
      name,
      kind,
      writes,
      finalizer,
      access,
    }: ReturnType<typeof agentDeclarations>[number]) => ({
      name,
      kind: kind.kind,
      writes,
      finalizer,
      access,
    });
    const declared = agentDeclarations();
    const made = agent.manager.declarations();
    expect(declared.map(essence)).toEqual(made.map(essence));
    await agent.stop();
  });
});
