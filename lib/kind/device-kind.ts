// The device kind: memory in a device-DAX device, or a part of one.
import { existsSync } from 'node:fs';
import { requireBoolean, requireOptions, requirePath, requireSize } from '../arguments.ts';
import { type DaxDevice, getDevice, holdersOf } from '../device/index.ts';
import { outOfRange, refusal, type SystemError, systemRefusal } from '../errors.ts';
import { checkJobOptions } from '../jobs.ts';
import type { DeviceKindRequest, KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { nameKind } from './attaching.ts';
import type { KindProgressOptions } from './jobs.ts';
import { Kind } from './kind.ts';
import { makeKind, makeKindAsync, type Recipe } from './making.ts';
import { type CheckedNotices, checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { debugOf } from './options.ts';
import { noSysfs } from './refusals.ts';
import { stackOf } from './stacks.ts';

export interface DeviceKindOptions extends KindNoticeOptions {
	/** Where in the device the kind begins, in bytes: a multiple of the device's alignment. Default 0. */
	offset?: number;
	/** How much of the device it has, in bytes: a multiple of the device's alignment. Default: all from `offset` on. */
	size?: number;
	/**
	 * Overwrite all of it with zeros before the first block is allocated. A device still holds what anybody stored in
	 * it last, even if its namespace or its mode was changed since. `calloc` never hands that content out, but `malloc`
	 * does without this option. `create` blocks for as long as it takes to write the memory. `createAsync` does it on
	 * another thread. Default false.
	 */
	scrub?: boolean;
	/**
	 * Fault all pages in now (madvise with MADV_POPULATE_WRITE). A page is as long as the device's alignment. `create`
	 * blocks meanwhile. Default false.
	 */
	prefault?: boolean;
	/** Debug mode, as in {@link PmemKindOptions}. */
	debug?: boolean;
}

const names = ['offset', 'size', 'scrub', 'prefault', 'debug', ...noticeOptions];
const asyncNames = [...names, 'signal', 'onProgress'];

interface Checked {
	device: DaxDevice;
	request: DeviceKindRequest;
	notices: CheckedNotices;
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

function checkOptions(device: string | URL, options: unknown, known: string[]): Checked {
	const path = requirePath('device', device);
	const given = requireOptions<DeviceKindOptions>('options', options as DeviceKindOptions, known);
	const { offset = 0, size, scrub = false, prefault = false } = given;
	requireSize('options.offset', offset, 0);
	if (size !== undefined) requireSize('options.size', size, 1);
	requireBoolean('options.scrub', scrub);
	requireBoolean('options.prefault', prefault);
	const debug = debugOf(given);
	const notices = checkNotices(given);
	const found = getDevice(path);
	requireDevdax(path, found);
	const { align, size: all } = found;
	if (align === undefined || all === undefined || align === 0) {
		throw noSysfs(path, `The size and alignment of ${path} cannot be read in sysfs`);
	}
	const whole = `a multiple of the device's alignment, ${align} bytes`;
	if (offset % align !== 0) throw outOfRange('options.offset', whole, offset);
	if (offset >= all) throw outOfRange('options.offset', `less than the device's size, ${all} bytes`, offset);
	// A device need not end at a multiple of its alignment.
	const rest = Math.floor((all - offset) / align) * align;
	const length = size ?? rest;
	if (length % align !== 0) throw outOfRange('options.size', whole, length);
	if (length > rest || length === 0) {
		throw outOfRange(
			'options.size',
			`> 0 and <= ${rest}, because the device has no more bytes after the offset`,
			length,
		);
	}
	const node = path.includes('/') && existsSync(path) ? path : found.path;
	if (node === undefined) throw withoutNode(found);
	return { device: found, request: [node, offset, length, align, scrub, prefault, debug], notices };
}

/** The error for a device that sysfs shows, and /dev does not, as in most containers. */
function withoutNode({ name, major, minor, reasons }: DaxDevice) {
	const what = `The device ${name} has no node: ${reasons.path}`;
	const remedy = `mknod /dev/${name} c ${major} ${minor}; in a container: docker run --device /dev/${name}`;
	return refusal('ERR_DAXKIND_NO_DEVICE', `/dev/${name}`, what, remedy);
}

/** How users other than root get permission to open a device. */
const udevRule = (name: string) =>
	`give a group access to the node with a udev rule: SUBSYSTEM=="dax", KERNEL=="${name}", GROUP="…", MODE="0660"`;

/** Adds the reason to an error of native code. */
function explained(error: SystemError, { device, request: [path, offset, size] }: Checked): Error {
	const { code, errno, syscall } = error;
	const said = (what: string, remedy: string) => systemRefusal(errno, syscall, path, what, remedy);
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
		const what = `A kind of this process or of another one already has some of the bytes ${offset} to ${offset + size - 1} of ${path}${who}`;
		return refusal('ERR_DAXKIND_DEVICE_BUSY', path, what, 'close that kind, or give this one another offset and size');
	}
	if (syscall === 'prctl') {
		const what =
			'transparent huge pages are disabled in this process (PR_SET_THP_DISABLE), so each access to such a device would fail';
		return said(what, 'enable them first: prctl(PR_SET_THP_DISABLE, 0)');
	}
	if (syscall === 'madvise')
		return said('the device has no memory behind it', `look at dmesg, and at daxkind inspect ${path}`);
	return error;
}

/**
 * Volatile memory in a device-DAX device (/dev/daxX.Y): an nvdimm namespace in devdax mode, Soft Reserved memory, CXL
 * memory. There is no file system that could be full. All of the kind's memory is its own from the start, and none of
 * it can be given back: `purge` returns 0, and `resident` of its statistics is always the capacity.
 *
 * While the kind is open it has a lock on its part of the device, so no other kind of any process gets bytes of that
 * part. The lock belongs to the node in /dev. Another node of the same device (mknod, a container's own) has other
 * locks. Programs that do not look at locks can map the device, too.
 *
 * The device's driver can be taken away while the kind is open (reconfigure-device, ndctl disable-namespace). The
 * kernel neither waits nor refuses. The next access reads zeros, and `onMediaError` says so. daxkind's own
 * reconfigureDeviceAsync looks first, and refuses.
 *
 * ```js
 * import { DeviceKind } from 'daxkind';
 *
 * const kind = DeviceKind.create('/dev/dax0.0');
 * const block = kind.malloc(1024);
 * block.write('hello');
 * kind.free(block);
 * kind.close();
 * ```
 */
export class DeviceKind extends Kind {
	declare readonly type: 'device';
	/** True: loads and stores go to the device. */
	readonly dax = true;

	static {
		nameKind('device', DeviceKind, (hold) => new DeviceKind(hold));
	}

	private constructor(hold: KindHold) {
		super(hold, 'DeviceKind.create(device)');
	}

	/**
	 * Creates a kind over a device, or a part of it: open, fcntl(F_OFD_SETLK), mmap(MAP_SHARED). Needs no root where
	 * the node's permissions allow it. Without `scrub` and `prefault` it does not block.
	 *
	 * @param device Its node, or its name.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE for an offset or size
	 *   that is not a multiple of the device's alignment, or is beyond its end.
	 * @throws Error with `path` and `remedy`: ERR_DAXKIND_NO_DEVICE; ERR_DAXKIND_WRONG_MODE if it is not in devdax
	 *   mode; ERR_DAXKIND_DEVICE_BUSY if another kind, of this process or another one, has some of those bytes;
	 *   ERR_DAXKIND_NO_SYSFS.
	 * @throws A system error: EACCES, ENXIO (open); ENOTSUP (prctl); ENOMEM (mmap); EFAULT, EHWPOISON (madvise).
	 */
	static create(device: string | URL, options: DeviceKindOptions = {}): DeviceKind {
		const stack = stackOf(DeviceKind.create);
		return makeKind(DeviceKind.#recipe(checkOptions(device, options, names)), stack);
	}

	/**
	 * As `create`, but on another thread: with `scrub` or `prefault` it can take seconds.
	 *
	 * @throws As `create`; ENOMEM (malloc); EAGAIN (pthread_create) if no thread can be started; the signal's reason.
	 *   The device is free again then.
	 */
	static async createAsync(
		device: string | URL,
		options: DeviceKindOptions & KindProgressOptions = {},
	): Promise<DeviceKind> {
		const stack = stackOf(DeviceKind.createAsync);
		const checked = checkOptions(device, options, asyncNames);
		return makeKindAsync(DeviceKind.#recipe(checked), stack, checkJobOptions(options));
	}

	static #recipe(checked: Checked): Recipe<DeviceKind> {
		return {
			create: () => native.kindCreateDevice(...checked.request),
			createAsync: () => native.kindCreateDeviceAsync(...checked.request),
			kindOf: (hold) => new DeviceKind(hold),
			notices: checked.notices,
			explained: (error) => explained(error, checked),
		};
	}
}
