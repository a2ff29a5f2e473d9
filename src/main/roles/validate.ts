/** `vireo validate -f PATH`: exit 0 when all manifests are good, 1 when not. */
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { validateManifests } from '../../cli/validate.ts';

export async function runValidate(path: string, world: World): Promise<number> {
  const { checked, skipped, problems } = await validateManifests(world.files, path);
  for (const { file, line, message } of problems) process.stderr.write(`${file}:${line}: ${message}\n`);
  const others = skipped === 0 ? '' : `, ${skipped} of other groups not looked at`;
  process.stdout.write(`${checked} objects of vireo.dev checked${others}, ${problems.length} problems\n`);
  return problems.length === 0 ? 0 : 1;
}
