// The device kind: memory in a device-DAX device, or a part of one.
import { requireBoolean, requireOptions, requirePath } from '../arguments.ts';
import { type DevicePart, explainRefusal, requirePart } from '../device-part.ts';
import { checkJobOptions } from '../jobs.ts';
import type { DeviceKindRequest, KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { nameKind } from './attaching.ts';
import type { KindProgressOptions } from './jobs.ts';
import { Kind } from './kind.ts';
import { makeKind, makeKindAsync, type Recipe } from './making.ts';
import { type CheckedNotices, checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { debugOf, nameOf } from './options.ts';
import { stackOf } from './stacks.ts';

export interface DeviceKindOptions extends KindNoticeOptions {
	/** What to call the kind in metrics and logs: `kind.name` in every thread. Default: its `path`. */
	name?: string;
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

const names = ['name', 'offset', 'size', 'scrub', 'prefault', 'debug', ...noticeOptions];
const asyncNames = [...names, 'signal', 'onProgress'];

interface Checked {
	part: DevicePart;
	request: DeviceKindRequest;
	name: string | undefined;
	notices: CheckedNotices;
}

function checkOptions(device: string | URL, options: unknown, known: string[]): Checked {
	requirePath('device', device);
	const given = requireOptions<DeviceKindOptions>('options', options as DeviceKindOptions, known);
	const { offset = 0, size, scrub = false, prefault = false } = given;
	requireBoolean('options.scrub', scrub);
	requireBoolean('options.prefault', prefault);
	const debug = debugOf(given);
	const name = nameOf(given);
	const notices = checkNotices(given);
	const part = requirePart(device, offset, [size, 'options.size']);
	const { node, length, align } = part;
	return { part, request: [node, offset, length, align, scrub, prefault, debug], name, notices };
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
	 *   mode; ERR_DAXKIND_DEVICE_BUSY if another kind or mapping, of this process or
	 *   another one, has some of those bytes;
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
			name: checked.name,
			notices: checked.notices,
			explained: (error) => explainRefusal(error, checked.part),
		};
	}
}
