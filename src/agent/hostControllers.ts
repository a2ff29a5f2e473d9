/** The controllers of what is the host's and no guest's: its pools, its images, and pools that are taken from other hosts. */
import { CONTROLLERS } from './access.ts';
import type { Parts } from './controllers.ts';
import { revocationController, revocationInformer, takenIn } from './fencing/controller.ts';
import { createUpkeep } from './fencing/upkeep.ts';
import type { GuestWorld } from './guests/world.ts';
import type { Builds } from './images/builds.ts';
import { imageController } from './images/controller.ts';
import { poolController } from './pools/controller.ts';

/** Adds them to the manager; images that are being made are the answer. */
export function addHostControllers(parts: Parts, guests: GuestWorld): Builds {
  const { manager, world, drivers, config, host, stateDirectory, controlPlane, facts } = parts;
  const revocations = revocationInformer(manager.informers);
  const { pools, images, poolInformer, imageInformer } = guests;
  manager.add(
    poolController({
      ...{ host, stateDirectory, pools },
      ...{ files: world.files, clock: world.clock, client: guests.client },
      archives: guests.archives,
      informer: poolInformer,
      poolPaths: config.poolPaths,
      openPool: drivers.openPool,
      bootID: facts.bootID,
      upkeep: createUpkeep({
        ...{ host, controlPlane, client: guests.client, clock: world.clock },
        taken: (pool) => takenIn(revocations, pool),
      }),
    }),
  );
  const { controller, builds } = imageController({
    pools,
    images,
    files: world.files,
    clock: world.clock,
    random: world.random,
    informer: imageInformer,
    builder: drivers.images,
    imagePaths: config.imagePaths,
    mayRemove: () => controlPlane.trust().type === 'Trusted',
    enqueue: (name) => manager.enqueue(CONTROLLERS.images, name),
  });
  manager.add(controller);
  const { jobs, enqueue } = guests;
  manager.add(revocationController({ host, informer: revocations, pools, controlPlane, jobs, enqueue }));
  return builds;
}
