// The guest's own scripts, which busybox runs: /init, from the kernel's start to the host's root, and the script that
// takes over there. They talk to the host over virtio-serial ports (see ports.ts), and report in NUL-terminated
// records.
import { jobEnd } from './job.ts';
import { portNumbers } from './ports.ts';

/**
 * Code of both scripts: reports, and the ports' descriptors 3 (status), 4 (stdin), 5 (stdout), 6 (stderr), 7 (size).
 */
const common = `
say() { printf '%s\\0' "$1" >&3; }
fail() { say "fail $1"; while :; do sleep 60; done; }
kernel_says() { dmesg | tail -n 6 | sed 's/^/  kernel: /'; }
`;

/**
 * /init of the initramfs. It loads modules, takes the job from the host, and lays a writable overlay over the host's
 * root (9p, read-only).
 */
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
# The ports stay open, because closing one throws away what it holds. Reads give nothing until the host is connected.
exec 3>"\${port}${portNumbers.status}" 4<>"\${port}${portNumbers.stdin}" 5>"\${port}${portNumbers.stdout}" 6>"\${port}${portNumbers.stderr}" 7<>"\${port}${portNumbers.size}" 8<>"\${port}${portNumbers.job}"
say hello
until [ "$(tail -n 1 /job 2>/dev/null)" = '${jobEnd}' ]; do cat <&8 >>/job; done
. /job
[ -n "$probe" ] && { say probe; while :; do sleep 60; done; }

(
	load pmem
	for set in $sets; do load $set; done
	# Newer kernels give such memory to kmem.
	for device in /sys/bus/dax/devices/*; do
		[ -e $device ] && [ ! -e $device/driver ] && echo \${device##*/} >/sys/bus/dax/drivers/device_dax/new_id
	done
	load extra
) >/load.log 2>&1 &
loader=$!

load root
mkdir -p /lower /userland /rw /root
mount_9p() { # tag, where
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro $1 $2 || fail "cannot mount the host's $1 over 9p
$(kernel_says)"
}
mount_9p root /lower
layers=/lower
[ -n "$userland" ] && { mount_9p userland /userland; layers=/userland:/lower; }
mount -t tmpfs -o mode=755 tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=$layers,upperdir=/rw/upper,workdir=/rw/work overlay /root || fail "cannot mount the overlay of the root
$(kernel_says)"
cd /root
mkdir -p proc sys dev run tmp mnt
mount -t tmpfs -o mode=755 tmpfs /root/run
mkdir /root/run/daxkind
cp /bin/busybox /stage2 /session /job /root/run/daxkind/
wait $loader
cp /load.log /root/run/daxkind/
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
exec switch_root /root /run/daxkind/busybox sh /run/daxkind/stage2
`;

/** Runs in the host's root: prepares the devices, runs the command, then tells the host how it ended. */
export const stageTwoScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
${common}
dir=/run/daxkind
for applet in ${['cat', 'dmesg', 'grep', 'head', 'hostname', 'ip', 'mkdir', 'mkfifo', 'mount', 'sed', 'sleep', 'sort', 'tail', 'tr', 'umount', 'usleep', 'wc', 'yes'].join(' ')}; do
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

# Waits until a command prints as many words as are wanted, and prints them.
as_many() { # count, what they are, command…
	count=$1
	what=$2
	shift 2
	tries=0
	while :; do
		words=$("$@")
		[ "$(echo $words | wc -w)" -ge $count ] && { echo $words; return; }
		tries=$((tries + 1))
		[ $tries -gt 500 ] && { echo "the kernel made $(echo $words | wc -w) $what, not $count"; cat $dir/load.log; kernel_says; return 1; }
		usleep 20000
	done
}
# Prints the given directories of sysfs by rising address, which is the order of the options. Their numbers have another
# order, because the kernel counts all devices as their drivers come.
by_address() {
	for directory in "$@"; do
		[ -e $directory/resource ] && read -r start <$directory/resource && printf '%016x %s\n' $((start)) $directory
	done | sort | sed 's/.* //'
}
regions_of() { # provider of the bus
	found=
	for region in /sys/bus/nd/devices/region[0-9]*; do
		[ -e $region/../provider ] && read -r provider <$region/../provider && [ "$provider" = "$1" ] && found="$found $region"
	done
	by_address $found
}
disks() { # region…
	for region in "$@"; do
		device=/dev/pmem\${region##*/region}
		[ -b $device ] && echo $device
	done
}
hmem_devices() {
	found=
	for device in /sys/devices/platform/hmem*/dax*; do
		[ -e $device/target_node ] && found="$found $device"
	done
	for device in $(by_address $found); do echo /dev/\${device##*/}; done
}
listed() { echo "$*" | tr ' ' :; }
run() {
	output=$("$@" 2>&1 </dev/null) && return
	echo "$*: exit status $?"
	echo "$output"
	kernel_says
	return 1
}
# Prints the first file that matches a pattern and has that content.
holding() { # content, pattern
	for path in $2; do
		[ -e $path ] && read -r found <$path && [ "$found" = "$1" ] && { echo $path; return; }
	done
}
# Puts a namespace into devdax mode, and prints the device.
make_devdax() { # its region's directory, ndctl's option that says which
	run "$ndctl" create-namespace --force $2 --mode=devdax && echo /dev/dax\${1##*/region}.*
}
devdaxes_of() { # region…
	for region in "$@"; do
		make_devdax $region --reconfig=namespace\${region##*/region}.0 || return
	done
}
# Makes the kernel decode all of the one CXL device (Documentation/ABI/testing/sysfs-bus-cxl). The device becomes an nvdimm.
cxl_device() {
	cxl=/sys/bus/cxl/devices
	endpoint=$(as_many 1 'CXL endpoints' holding cxl_decoder_endpoint "$cxl/decoder*/devtype") || { echo "$endpoint"; return 1; }
	endpoint=\${endpoint%/devtype}
	read -r size <$cxl/mem0/pmem/size
	read -r name <$cxl/decoder0.0/create_pmem_region
	read -r uuid </proc/sys/kernel/random/uuid
	set -- decoder0.0/create_pmem_region $name $name/interleave_granularity 256 $name/interleave_ways 1 $name/uuid $uuid \
		$name/size $size \${endpoint##*/}/mode pmem \${endpoint##*/}/dpa_size $size $name/target0 \${endpoint##*/} $name/commit 1
	while [ $# -gt 0 ]; do
		echo $2 >$cxl/$1 || { echo "cannot write $2 to $cxl/$1"; kernel_says; return 1; }
		shift 2
	done
	[ -e $cxl/$name/driver ] || echo $name >/sys/bus/cxl/drivers/cxl_region/bind || { kernel_says; return 1; }
	region=$(as_many 1 'regions of CXL' regions_of CXL) || { echo "$region"; return 1; }
	make_devdax $region --region=\${region##*/}
}
make_sample() {
	mkdir -p "$1/directory"
	echo 'A sample file of daxkind vm on erofs.' >"$1/hello.txt"
	yes 'daxkind sample' | head -c 4194304 >"$1/directory/data.bin"
}
# Some drivers turn DAX off and mount anyway.
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
		echo "this kernel has a separate ext2 driver, which does not know the DAX flag of files: dax=inode on ext2 needs the ext4 driver"
		return 1
		;;
	esac
}
for point in $mounts; do mkdir -p $point; done
disks_of() { # provider, count
	regions=$(as_many $2 "regions of $1" regions_of "$1") || { echo "$regions"; return 1; }
	as_many $2 "block devices of $1" disks $regions
}
# Nobody knows how many devices --append makes. Waits for the kernel's probes instead, so that the command finds them too.
for bus in /sys/bus/nd/devices/ndbus*/wait_probe; do [ -e $bus ] && cat $bus >/dev/null; done
pmems=$(disks_of "$pmem_provider" $pmems) || fail "$pmems"
virtio_pmems=$(disks_of virtio-pmem $virtio_pmems) || fail "$virtio_pmems"
# The nvdimms that stay raw come first.
regions=$(as_many $((nvdimms + devdaxes)) 'regions of ACPI.NFIT' regions_of ACPI.NFIT) || fail "$regions"
set -- $regions
raw=
while [ $nvdimms -gt 0 ]; do
	raw="$raw $1"
	shift
	nvdimms=$((nvdimms - 1))
done
nvdimms=$(as_many $(echo $raw | wc -w) 'block devices of ACPI.NFIT' disks $raw) || fail "$nvdimms"
devdaxes=$(devdaxes_of "$@") || fail "$devdaxes"
hmems=$(as_many $hmems 'devices of dax_hmem' hmem_devices) || fail "$hmems"
[ $cxls -eq 0 ] || cxls=$(cxl_device) || fail "$cxls"
pmems=$(listed $pmems) nvdimms=$(listed $nvdimms) virtio_pmems=$(listed $virtio_pmems)
devdaxes=$(listed $devdaxes) hmems=$(listed $hmems)
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
# The command gets pipes instead of ports, because /dev/stdout and /dev/stderr open a file again, and a port refuses that.
$dir/busybox cat <&4 >$dir/in 3>&- 5>&- 6>&- 7>&- 8>&- &
relay_in=$!
$dir/busybox cat <$dir/out >&5 3>&- 4>&- 6>&- 7>&- 8>&- &
relay_out=$!
if [ -n "$merge" ]; then
	relay_err=$relay_out
	errors='&1'
else
	$dir/busybox cat <$dir/err >&6 3>&- 4>&- 5>&- 7>&- 8>&- &
	relay_err=$!
fi
[ -n "$terminal" ] && (
	until [ -s $dir/tty ]; do usleep 10000; done
	while read -r rows columns; do
		$dir/busybox stty -F "$(cat $dir/tty)" rows "$rows" cols "$columns"
	done <&7
) 3>&- 4>&- 5>&- 6>&- 8>&- &
say start
# This runs in the foreground, because a shell starts background commands with SIGINT ignored.
(
	exec <$dir/in >$dir/out
	if [ -n "$merge" ]; then exec 2>&1; else exec 2>$dir/err; fi
	exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-
	ulimit -Hn 524288
	ulimit -Sn 1024
	# script makes a pseudo-terminal, passes on what goes in and out, and ends with the status of the command.
	[ -n "$terminal" ] && SHELL=/bin/sh exec "$script" -qefc "exec $dir/busybox sh $dir/session" /dev/null
	unset PATH
	start_command
)
status=$?
# Kills what the command left behind, because it must not keep the pipes open.
for pass in 1 2 3; do
	for pid in /proc/[0-9]*; do
		pid=\${pid#/proc/}
		case $pid in 1 | $relay_out | $relay_err) ;; *) kill -9 $pid 2>/dev/null ;; esac
	done
done
wait $relay_out $relay_err
# Unmounts the shares, so that what was stored through mappings reaches the host.
for point in $shares; do umount $point || $dir/busybox sync; done
printf %s $trailer >&5
printf %s $trailer >&6
say "exit $status"
while :; do sleep 60; done
`;

/**
 * Starts a command on a terminal as the leader of the terminal's session. The terminal's size follows the size of the
 * host's terminal.
 */
export const sessionScript = `
dir=/run/daxkind
stty() { $dir/busybox stty "$@"; }
. $dir/job
stty sane rows $rows cols $columns
stty iutf8 2>/dev/null
$dir/busybox readlink /proc/self/fd/0 >$dir/tty
unset PATH
start_command
`;
