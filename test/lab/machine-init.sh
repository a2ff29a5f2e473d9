#!/bin/sh
# First process of a machine of the lab: gives it a kernel of its own to look at, then adopts and reaps what is orphaned in it.
# machine-init.sh NAME DISK: DISK is what the machine keeps when its power goes.
set -e
name=$1 disk=$2

hostname "$name"
ip link set lo up

# /sys shows the interfaces of the namespace it is mounted in; the control groups below it are those of the machine underneath.
spare=$(mktemp -d)
mount --rbind /sys/fs/cgroup "$spare"
mount -t sysfs sysfs /sys
mount --rbind "$spare" /sys/fs/cgroup
umount -l "$spare"
rmdir "$spare"

# LXC makes control groups below those of process 1, which on a real machine are the roots.
for procs in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
  [ ! -e "$procs" ] || echo $$ >"$procs"
done

# Copies of the other machines' network namespaces would keep them alive after their power was cut.
umount -l -R /run/netns 2>/dev/null || true
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock /run/lab/proc

# A boot of its own. User namespaces may mount proc only where one without covered files is in sight: hence the second.
mount -t proc proc /proc
mount -t proc proc /run/lab/proc
cat /proc/sys/kernel/random/uuid >/run/lab/boot_id
mount --bind /run/lab/boot_id /proc/sys/kernel/random/boot_id

# Its own machine-id, subuid and agent.yaml, which stay over a power cut.
mkdir -p "$disk/etc" "$disk/etc.work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$disk/etc,workdir=$disk/etc.work" /etc
[ -s "$disk/etc/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id

touch /run/lab/up
while :; do
  sleep 3600 &
  wait
done
