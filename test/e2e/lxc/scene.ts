/** One real container on a host of its own, anew for each test. */
import { afterEach, beforeEach } from 'vitest';
import type { ContainerRequest, GuestHandle } from '../../../src/drivers/hypervisor/contract.ts';
import type { LxcDriver } from '../../../src/drivers/hypervisor/lxc/driver.ts';
import type { ContainerLab } from './lab.ts';
import { containerLab } from './lab.ts';

export const mib = 2 ** 20;
export const open = async () => {};
export const patience = { timeout: 10_000, interval: 20 };

export type Scene = {
  readonly lab: ContainerLab;
  readonly driver: LxcDriver;
  readonly guest: GuestHandle;
  /** Starts the guest with what is changed in its request, and gives the whole of it. */
  start(changes?: Partial<ContainerRequest>): Promise<ContainerRequest>;
};

/** Call it in a describe block; the scene is there when a test runs, and all of it is gone after the test. */
export function containerScene(): Scene {
  let lab: ContainerLab | undefined;
  let driver: LxcDriver | undefined;
  beforeEach(async () => {
    lab = await containerLab();
    driver = lab.driver();
  });
  afterEach(async () => {
    await driver?.close();
    await lab?.close();
  });
  const scene: Scene = {
    get lab() {
      return there(lab);
    },
    get driver() {
      return there(driver);
    },
    get guest() {
      return there(lab).guest('web');
    },
    start: async (changes = {}) => {
      const request = await scene.lab.requestOf(scene.guest, changes);
      await scene.driver.start(scene.guest, request, { idBase: request.idBase }, open);
      return request;
    },
  };
  return scene;
}

function there<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the scene is there only while a test runs');
  return part;
}
