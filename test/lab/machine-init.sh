#!/bin/sh
# First process of a machine of the lab: gives it a kernel of its own to look at, then adopts and reaps what is orphaned in it.
# machine-init.sh NAME DISK: DISK is what the machine keeps when its power goes.
# machine-init.sh NAME DISK GROUP: the same with systemd as its first process, for which GROUP is the root of all control groups.
set -e
name=$1 disk=$2 group=$3

hostname "$name"
ip link set lo up

# systemd takes the whole of each hierarchy of control groups for its own: here it has a part of it, and a namespace in which that is all there is.
enter_group() {
  findmnt -rn -t cgroup,cgroup2 -o TARGET | while read -r place; do
    mkdir -p "$place/$group"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$place/$file" ] || cat "$place/$file" >"$place/$group/$file"
    done
    [ ! -e "$place/cgroup.clone_children" ] || echo 1 >"$place/$group/cgroup.clone_children"
    echo $$ >"$place/$group/cgroup.procs"
  done
}
if [ -n "$group" ] && [ -z "$entered" ]; then
  enter_group
  entered=yes exec unshare --cgroup sh "$0" "$@"
fi

# /sys shows the interfaces of the namespace it is mounted in; the control groups below it are those of the machine underneath, or the machine's part.
if [ -n "$group" ]; then
  hierarchies=$(findmnt -rn -t cgroup,cgroup2 -o TARGET,FSTYPE,FS-OPTIONS)
  mount -t sysfs sysfs /sys
  case $hierarchies in *" cgroup "*) mount -t tmpfs -o mode=0755 tmpfs /sys/fs/cgroup;; esac
  echo "$hierarchies" | while read -r place type options; do
    mkdir -p "$place"
    mount -t "$type" -o "$options" "$type" "$place"
  done
else
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
fi

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

# Of the units of this machine only those without which nothing starts and nothing goes down; its own stay over a power cut.
if [ -n "$group" ]; then
  echo "$name" >/etc/hostname
  mkdir -p "$disk/opt" "$disk/units" /etc/systemd/system /run/lab/units
  mount --bind "$disk/opt" /opt
  mount --bind "$disk/units" /etc/systemd/system
  for unit in multi-user basic sysinit local-fs sockets timers paths slices network network-online remote-fs shutdown umount final poweroff reboot; do
    ln -s "/lib/systemd/system/$unit.target" /run/lab/units/
  done
  ln -s /lib/systemd/system/systemd-poweroff.service /lib/systemd/system/systemd-reboot.service /run/lab/units/
  ln -s multi-user.target /run/lab/units/default.target
  # In a container it leaves the devices and mounts of the machine underneath alone. https://systemd.io/CONTAINER_INTERFACE
  exec env -i container=lab "PATH=$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/lab/units /lib/systemd/systemd
fi

while :; do
  sleep 3600 &
  wait
done
