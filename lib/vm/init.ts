// The guest's own scripts, run by busybox: /init from the kernel's start to the host's root, then what happens there.
// They talk to the host over virtio-serial ports (see ports.ts) and say what they did in NUL-terminated records.
import { jobEnd } from './job.ts';
import { portNumbers } from './ports.ts';

/** What both scripts share: reporting, and the ports' descriptors 3 (status), 4 (stdin), 5 (stdout), 6 (stderr). */
const common = `
say() { printf '%s\\0' "$1" >&3; }
fail() { say "fail $1"; while :; do sleep 60; done; }
kernel_says() { dmesg | tail -n 6 | sed 's/^/  kernel: /'; }
`;

/** /init of the initramfs. Loads modules, takes the job from the host, and makes the host's root (9p, read-only) writable by an overlay. */
export const initScript = `#!/bin/sh
PATH=/bin
${common}
load() {
	for module in $(cat /modules/$1.list 2>/dev/null); do
		[ -d "/sys/module/$(echo "\${module%.ko}" | tr - _)" ] || insmod "/modules/$module" || return 1
	done
}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
load ports
# The device node comes before the port can be opened; its name comes from the host, after that.
until [ -e /sys/class/virtio-ports/vport*p${portNumbers.job}/name ]; do usleep 10000; done
port=$(echo /dev/vport*p${portNumbers.job})
port=\${port%p*}p
# Kept open for good: closing a port throws away what it holds, and reads give nothing until the host is connected.
exec 3>"\${port}${portNumbers.status}" 4<>"\${port}${portNumbers.stdin}" 5>"\${port}${portNumbers.stdout}" 6>"\${port}${portNumbers.stderr}" 8<>"\${port}${portNumbers.job}"
say hello
until [ "$(tail -n 1 /job 2>/dev/null)" = '${jobEnd}' ]; do cat <&8 >>/job; done
. /job
[ -n "$probe" ] && { say probe; while :; do sleep 60; done; }

(
	load pmem
	for set in $sets; do load $set; done
	load extra
) >/load.log 2>&1 &
loader=$!

load root
mkdir -p /lower /rw /root
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro root /lower || fail "cannot mount the host's root over 9p
$(kernel_says)"
mount -t tmpfs -o mode=755 tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root || fail "cannot mount the overlay of the root
$(kernel_says)"
cd /root
mkdir -p proc sys dev run tmp mnt
mount -t tmpfs -o mode=755 tmpfs /root/run
mkdir /root/run/daxkind
cp /bin/busybox /stage2 /job /root/run/daxkind/
wait $loader
cp /load.log /root/run/daxkind/
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
exec switch_root /root /run/daxkind/busybox sh /run/daxkind/stage2
`;

/** Runs in the host's root: prepares the devices, then the command, then tells the host how it ended. */
export const stageTwoScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
${common}
dir=/run/daxkind
for applet in ${['cat', 'dmesg', 'grep', 'head', 'hostname', 'ip', 'mkdir', 'mkfifo', 'mount', 'sed', 'sleep', 'tail', 'umount', 'usleep', 'yes'].join(' ')}; do
	eval "$applet() { $dir/busybox $applet \\"\\$@\\"; }"
done

mkdir -p /dev/pts /dev/shm /tmp
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
	[ -e /dev/\${link%%:*} ] || $dir/busybox ln -s /proc/self/\${link#*:} /dev/\${link%%:*}
done
hostname daxkind
echo '127.0.0.1 daxkind' >>/etc/hosts
ip link set lo up
. $dir/job
if [ -n "$modules" ]; then
	mkdir -p "/lib/modules/$release"
	mount --bind "$modules" "/lib/modules/$release"
fi

# Prints the block devices of the regions that a bus provides, in the regions' order, once there are as many as wanted.
# Which numbers they have is the kernel's choice: it counts the regions of all buses as their drivers come.
devices_of() {
	tries=0
	while :; do
		count=0
		found=
		for region in /sys/bus/nd/devices/region[0-9] /sys/bus/nd/devices/region[0-9][0-9]; do
			device=/dev/pmem\${region##*/region}
			[ -b "$device" ] && read -r provider <$region/../provider && [ "$provider" = "$1" ] || continue
			count=$((count + 1))
			found=\${found:+$found:}$device
		done
		[ $count -ge $2 ] && { echo $found; return; }
		tries=$((tries + 1))
		[ $tries -gt 500 ] && { echo "the kernel made $count devices of $1, not $2"; cat $dir/load.log; kernel_says; return 1; }
		usleep 20000
	done
}
run() {
	output=$("$@" 2>&1 </dev/null) && return
	echo "$*: exit status $?"
	echo "$output"
	kernel_says
	return 1
}
make_sample() {
	mkdir -p "$1/directory"
	echo 'A sample file of daxkind vm on erofs.' >"$1/hello.txt"
	yes 'daxkind sample' | head -c 4194304 >"$1/directory/data.bin"
}
# Some drivers mount all the same when they turn DAX off.
check_dax() { # file system, mode, device, mount point
	case $1.$2 in
	*.always)
		grep -E "^[^ ]+ $4 [^ ]+ ([^ ]+,)?dax(=always)?[, ]" /proc/mounts >/dev/null && return
		echo "the kernel turned DAX off on $4"
		kernel_says
		return 1
		;;
	ext2.inode)
		[ -d /sys/fs/ext4/\${3##*/} ] && return
		echo "this kernel has a driver for ext2 alone, which knows no DAX flag of files: dax=inode on ext2 needs the ext4 driver"
		return 1
		;;
	esac
}
for point in $mounts; do mkdir -p $point; done
pmems=$(devices_of e820 $pmems) || fail "$pmems"
nvdimms=$(devices_of ACPI.NFIT $nvdimms) || fail "$nvdimms"
virtio_pmems=$(devices_of virtio-pmem $virtio_pmems) || fail "$virtio_pmems"
pids=
rest=$pmems
for n in $devices; do
	prepare_$n \${rest%%:*} >$dir/prepare.$n 2>&1 &
	pids="$pids $!"
	rest=\${rest#*:}
done
failed=
for pid in $pids; do wait $pid || failed=1; done
[ -z "$failed" ] || fail "$(for n in $devices; do cat $dir/prepare.$n; done)"

for point in $shares; do
	mkdir -p $point
	output=$(run mount -t virtiofs \${point##*/} $point) || fail "$output"
done

mkfifo $dir/in $dir/out $dir/err
cd -- "$directory" || fail "the guest has no directory $directory"
# The command gets pipes, not ports: a port cannot be opened twice, as /dev/stdout or /dev/stderr would.
$dir/busybox cat <&4 >$dir/in 3>&- 5>&- 6>&- 8>&- &
relay_in=$!
$dir/busybox cat <$dir/out >&5 3>&- 4>&- 6>&- 8>&- &
relay_out=$!
if [ -n "$merge" ]; then
	relay_err=$relay_out
	errors='&1'
else
	$dir/busybox cat <$dir/err >&6 3>&- 4>&- 5>&- 8>&- &
	relay_err=$!
fi
say start
# In the foreground: a shell starts background commands with SIGINT ignored.
(
	exec <$dir/in >$dir/out
	if [ -n "$merge" ]; then exec 2>&1; else exec 2>$dir/err; fi
	exec 3>&- 4>&- 5>&- 6>&- 8>&-
	ulimit -Hn 524288
	ulimit -Sn 1024
	unset PATH
	start_command
)
status=$?
# Whatever the command left behind goes with the guest; it must not keep the pipes open.
for pass in 1 2 3; do
	for pid in /proc/[0-9]*; do
		pid=\${pid#/proc/}
		case $pid in 1 | $relay_out | $relay_err) ;; *) kill -9 $pid 2>/dev/null ;; esac
	done
done
wait $relay_out $relay_err
# What was stored through mappings is to reach the host.
for point in $shares; do umount $point || $dir/busybox sync; done
printf %s $trailer >&5
printf %s $trailer >&6
say "exit $status"
while :; do sleep 60; done
`;
