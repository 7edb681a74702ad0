// A device that can be mapped, and the part of it that a caller wants: checked before the system calls, whose errors say
// little. For kinds and mappings on devices.
import { existsSync } from 'node:fs';
import { requirePath, requireSize } from './arguments.ts';
import { type DaxDevice, getDevice, holdersOf } from './device/index.ts';
import { type DaxkindRefusal, noSysfs, outOfRange, refusal, type SystemError, systemRefusal } from './errors.ts';

/** A part of a device, in bytes. All numbers are multiples of its alignment. */
export interface DevicePart {
	device: DaxDevice;
	/** The node to open. */
	node: string;
	offset: number;
	length: number;
	align: number;
}

function requireDevdax(path: string, { name, mode, targetNode }: DaxDevice): void {
	if (mode === 'devdax') return;
	const code = 'ERR_DAXKIND_WRONG_MODE';
	if (mode === 'system-ram') {
		const what = `${path} is in system-ram mode: its memory is ordinary memory of NUMA node ${targetNode}`;
		const remedy = `NodeKind.create(${targetNode}), or daxkind reconfigure-device --force --mode=devdax ${name}`;
		throw refusal(code, path, what, remedy);
	}
	if (mode === 'disabled') {
		throw refusal(code, path, `${path} has no driver and cannot be mapped`, `daxkind enable-device ${name}`);
	}
	throw refusal(code, path, `${path} is in ${mode} mode`, `daxkind reconfigure-device --mode=devdax ${name}`);
}

/** The error for a device that sysfs shows, and /dev does not, as in most containers. */
function withoutNode({ name, major, minor, reasons }: DaxDevice): DaxkindRefusal {
	const what = `The device ${name} has no node: ${reasons.path}`;
	const remedy = `mknod /dev/${name} c ${major} ${minor}; in a container: docker run --device /dev/${name}`;
	return refusal('ERR_DAXKIND_NO_DEVICE', `/dev/${name}`, what, remedy);
}

/**
 * The part of a device that a caller wants.
 *
 * @param length How many bytes, and the name of the option. undefined: all from `offset` on.
 * @throws RangeError ERR_OUT_OF_RANGE; Error ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_WRONG_MODE, ERR_DAXKIND_NO_SYSFS.
 */
export function requirePart(
	given: string | URL,
	offset: number,
	[length, name]: [number | undefined, string],
): DevicePart {
	const path = requirePath('device', given);
	requireSize('options.offset', offset, 0);
	if (length !== undefined) requireSize(name, length, 1);
	const device = getDevice(path);
	requireDevdax(path, device);
	const { align, size: all } = device;
	if (align === undefined || all === undefined || align === 0) {
		throw noSysfs(path, `The size and alignment of ${path} cannot be read in sysfs`);
	}
	const whole = `a multiple of the device's alignment, ${align} bytes`;
	if (offset % align !== 0) throw outOfRange('options.offset', whole, offset);
	if (offset >= all) throw outOfRange('options.offset', `less than the device's size, ${all} bytes`, offset);
	// A device need not end at a multiple of its alignment.
	const rest = Math.floor((all - offset) / align) * align;
	const bytes = length ?? rest;
	if (bytes % align !== 0) throw outOfRange(name, whole, bytes);
	if (bytes > rest || bytes === 0) {
		throw outOfRange(name, `> 0 and <= ${rest}, because the device has no more bytes after the offset`, bytes);
	}
	const node = path.includes('/') && existsSync(path) ? path : device.path;
	if (node === undefined) throw withoutNode(device);
	return { device, node, offset, length: bytes, align };
}

/** How users other than root get permission to open a device. */
const udevRule = (name: string) =>
	`give a group access to the node with a udev rule: SUBSYSTEM=="dax", KERNEL=="${name}", GROUP="…", MODE="0660"`;

/** The error of native code that could not map a device, with the reason. */
export function explainRefusal(error: SystemError, { device, node, offset, length }: DevicePart): Error {
	const { code, errno, syscall } = error;
	const said = (what: string, remedy: string) => systemRefusal(errno, syscall, node, what, remedy);
	if (syscall === 'open' && code === 'EACCES') {
		return said('permission denied: only the owner and the group of the node may open it', udevRule(device.name));
	}
	if (syscall === 'open' && (code === 'ENXIO' || code === 'ENODEV')) {
		return said('the device has no driver that lets it be mapped', `daxkind enable-device ${device.name}`);
	}
	if (syscall === 'fcntl' && code === 'EAGAIN') {
		const others = holdersOf(device).filter(({ pid }) => pid !== process.pid);
		const who =
			others.length === 0
				? ''
				: ` (it is mapped by ${others.map(({ pid, command }) => `${command}, process ${pid}`).join('; ')})`;
		const what = `A kind or a mapping of this process or of another one already has some of the bytes ${offset} to ${offset + length - 1} of ${node}${who}`;
		const remedy = 'close that kind or unmap that mapping, or use another offset and length';
		return refusal('ERR_DAXKIND_DEVICE_BUSY', node, what, remedy);
	}
	if (syscall === 'prctl') {
		const what =
			'transparent huge pages are disabled in this process (PR_SET_THP_DISABLE), so each access to such a device would fail';
		return said(what, 'enable them first: prctl(PR_SET_THP_DISABLE, 0)');
	}
	if (syscall === 'madvise') {
		return said('the device has no memory behind it', `look at dmesg, and at daxkind inspect ${node}`);
	}
	return error;
}
