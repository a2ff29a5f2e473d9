/** A root file system of a few files around the host's static busybox, which boots in milliseconds. */
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';

const applets =
  'init sh sleep cat echo ls mount kill poweroff reboot hostname ip id dd head touch true'.split(' ');

/** Owners are container ids 0: it has to be mapped at mount. */
export async function makeBusyboxRootfs(path: string): Promise<void> {
  for (const folder of ['bin', 'sbin', 'etc/init.d', 'proc', 'sys', 'dev', 'tmp', 'root', 'run', 'var']) {
    await mkdir(`${path}/${folder}`, { recursive: true });
  }
  await copyFile('/usr/bin/busybox', `${path}/bin/busybox`);
  for (const applet of applets) await symlink('/bin/busybox', `${path}/bin/${applet}`);
  await symlink('/bin/busybox', `${path}/sbin/init`);
  await writeFile(`${path}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(
    `${path}/etc/inittab`,
    '::sysinit:/etc/init.d/rcS\nconsole::askfirst:-/bin/sh\n::ctrlaltdel:/bin/reboot\n',
  );
  await writeFile(`${path}/etc/init.d/rcS`, '#!/bin/sh\necho booted >> /boots\n');
  await chmod(`${path}/etc/init.d/rcS`, 0o755);
}
