/** Tells one story again and again, killing the agent before and after each of its side effects. */
import { createCrasher } from './crasher.ts';
import { createLab, type Lab } from './lab.ts';

/** Lets a story run its course without a crash and counts its side effects. */
async function countEffects(
  prepare: (lab: Lab) => Promise<void>,
  isOver: (lab: Lab) => boolean,
): Promise<number> {
  const lab = createLab();
  await prepare(lab);
  const agent = await lab.start();
  await lab.until('the story is over', () => isOver(lab));
  const count = agent.crasher.effects().length;
  await agent.stop();
  return count;
}

export type Story = {
  prepare(lab: Lab): Promise<void>;
  isOver(lab: Lab): boolean;
  check(lab: Lab): void;
};

/** Kills the agent before and after each of its side effects, starts it again, and looks whether all ends as without the crash. */
export async function crashEverywhere({ prepare, isOver, check }: Story): Promise<number> {
  const effects = await countEffects(prepare, isOver);
  for (let at = 1; at <= effects; at += 1) {
    for (const when of ['before', 'after'] as const) {
      const lab = createLab();
      await prepare(lab);
      const crasher = createCrasher(at, when);
      const dead = await lab.start(crasher);
      await lab.until('the crash', () => crasher.isDead() || isOver(lab));
      await dead.stop();
      const agent = await lab.start();
      await lab.until(`the end after a crash ${when} ${crasher.effects().at(-1)} (${at})`, () => isOver(lab));
      // Long enough for anything that is still to go wrong.
      await lab.clock.advance(90_000);
      check(lab);
      await agent.stop();
    }
  }
  return effects;
}
