/** What is left of a lab on this machine that has been taken down: nothing, or where to look. Other labs beside it do not count. */
import { must } from '../e2e/harness/commands.ts';

/** Namespaces, the cable to this machine, mounts, loop devices, and processes that name the lab's directory. */
export async function remainsOf(lab: { name: string; directory: string }): Promise<string[]> {
  const { name, directory } = lab;
  const lines = async (command: string[], isOwn: (line: string) => boolean) =>
    (await must(command)).split('\n').filter(isOwn);
  return [
    ...(await lines(['ip', 'netns'], (line) => line.startsWith(`${name}-`))),
    ...(await lines(['ip', '-o', 'link'], (line) => line.split(/[ :@]+/)[1] === name)),
    ...(await lines(['cat', '/proc/self/mounts'], (line) => line.includes(` ${directory}/`))),
    ...(await lines(['losetup', '-a'], (line) => line.includes(`${directory}/`))),
    ...(await lines(['ps', '-eo', 'args='], (line) => line.includes(`${directory}/`))),
  ];
}
