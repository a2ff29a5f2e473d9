/** The agent of a guest that is a demo disk: a few lines of shell that answer on the channel of the real one, and say on the console what they heard. */

/** It hangs in its second freeze for so many seconds, as one does whose disk does not answer. */
export function agentService({ hangs }: { hangs?: number } = {}): string {
  const hang = hangs === undefined ? '' : `[ $freezes = 2 ] && say hangs && sleep ${hangs}`;
  return `
for place in /sys/class/virtio-ports/*; do
  [ "$(cat $place/name)" = org.qemu.guest_agent.0 ] && port=/dev/\${place##*/}
done
exec 3<>$port
say() { echo "AGENT $1" >/dev/ttyS0; }
answer() { printf "$1" >&3; }
freezes=0
while :; do
  while read -r line <&3; do
    case "$line" in
      *guest-sync-delimited*) answer "\\377{\\"return\\": $(echo "$line" | sed 's/[^0-9]*\\([0-9]*\\).*/\\1/')}\\n" ;;
      *fsfreeze-freeze*)
        freezes=$((freezes+1))
        ${hang}
        say frozen; answer '{"return": 1}\\n' ;;
      *fsfreeze-thaw*) say thawed; answer '{"return": 1}\\n' ;;
    esac
  done
  usleep 50000
done`;
}
