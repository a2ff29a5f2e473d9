/** The first process of the demo guests as shell text: one for the machine, one for the container, sharing all but what the kernel hands over. */

/** Printed on the machine's serial console when its prompt is about to appear. */
export const readyMarker = 'VIREO-READY';

/** Printed on the machine's serial console with interface and address when DHCP has answered. */
export const addressMarker = 'VIREO-ADDRESS';

/**
 * Ends the guest within a fraction of a second. busybox init takes over two seconds, which a test would wait for again and again.
 * Signals as busybox's own `poweroff`, `halt` and `reboot` send them to process 1; SIGPWR is what LXC sends for a shutdown.
 */
const powerHandling = `end() {
  trap '' USR1 USR2 TERM PWR
  kill -TERM -1; usleep 150000; kill -KILL -1
  sync
  exec "$1" -f
}
trap 'end poweroff' USR2 PWR
trap 'end halt' USR1
trap 'end reboot' TERM INT
`;

/** Keeps a command running; the pause bounds the harm of one that ends at once. */
const respawn = `respawn() { while :; do "$@"; sleep 1; done; }
`;

/**
 * Asks for an address on every Ethernet interface, without delaying the prompt. Short intervals: the first request is often lost while
 * a bridge port comes up.
 */
const requestAddresses = `ip link set lo up
for nic in /sys/class/net/eth*; do
  [ -e "$nic" ] || continue
  name=\${nic##*/}
  ip link set "$name" up
  respawn udhcpc -f -R -t 8 -T 1 -A 2 -i "$name" -x "hostname:$(hostname)" -s /usr/share/udhcpc/default.script >/dev/null 2>&1 &
done
`;

/** A signal interrupts \`wait\`, its trap runs, and process 1 goes on: it must never end by itself, or the kernel panics. */
const idle = `while :; do wait; sleep 1; done
`;

const start = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=vt100
`;

/**
 * `/init` of the demo disk: file systems, modules in order, power button, addresses, and a shell on each console. `service` is shell
 * text that runs beside all that as soon as there are disks and network cards.
 */
export function machineInit(service?: string): string {
  return `${start}mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
load() { while read -r module; do insmod "/lib/modules/$module"; done <"/lib/modules/$1" 2>/dev/null; }
load first
hostname vireo
${powerHandling}${service === undefined ? '' : `{\n${service}\n} &\n`}load others
${respawn}for event in /sys/class/input/event*; do
  case "$(cat "$event/device/name" 2>/dev/null)" in
    *"Power Button"*) { dd if="/dev/input/\${event##*/}" of=/dev/null bs=24 count=1 2>/dev/null && kill -PWR 1; } & ;;
  esac
done
i=0; while [ $i -lt 10 ] && ! ls /sys/class/net/eth* >/dev/null 2>&1 && ls -d /sys/bus/virtio/devices/virtio* >/dev/null 2>&1; do usleep 20000; i=$((i+1)); done
${requestAddresses}echo "${readyMarker} $(uname -r) up $(cut -d' ' -f1 /proc/uptime) s" >/dev/ttyS0
respawn getty -n -l /sbin/root-shell -L 115200 ttyS0 vt100 &
[ -c /dev/tty1 ] && respawn getty -n -l /sbin/root-shell 38400 tty1 linux &
${idle}`;
}

/** \`/sbin/init\` of the container: LXC has mounted what is needed and named the host. */
export function containerInit(): string {
  return `${start}${powerHandling}${respawn}${requestAddresses}for tty in console tty1; do
  [ -c "/dev/$tty" ] && respawn getty -n -l /sbin/root-shell 38400 "$tty" linux &
done
${idle}`;
}

/** Sets what DHCP says (busybox, \`networking/udhcp/dhcpc.c\`: the event is the first argument, options are in the environment). */
export const udhcpcScript = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
case "$1" in
  deconfig) ip -4 addr flush dev "$interface" ;;
  bound|renew)
    ip -4 addr replace "$ip/\${mask:-24}" broadcast "\${broadcast:-+}" dev "$interface"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; break; done
    { [ -n "$domain" ] && echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } >/etc/resolv.conf
    [ -n "$hostname" ] && [ "$(hostname)" = vireo ] && hostname "$hostname"
    [ "$1" = bound ] && [ -c /dev/ttyS0 ] && echo "${addressMarker} $interface $ip" >/dev/ttyS0
    ;;
esac
exit 0
`;
