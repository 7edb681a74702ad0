// Maps a device-DAX device, or a part of one.
import { constants as bufferConstants } from 'node:buffer';
import { requireCallback, requireOneOf, requireOptions } from '../arguments.ts';
import { explainRefusal, requirePart } from '../device-part.ts';
import type { SystemError } from '../errors.ts';
import { keepGuardArmed } from '../guard.ts';
import { native } from '../native.ts';
import { machine } from '../tree.ts';
import { checkMapped, refuseBadBlocks } from './bad-blocks.ts';
import { deviceGranularity, granularities, requireGranularity } from './granularity.ts';
import type { MapFileOptions } from './map-file.ts';
import { makeMapping, type PmemMapping } from './pmem-mapping.ts';

/** Options of {@link mapDevice}. */
export interface MapDeviceOptions extends Pick<MapFileOptions, 'granularity' | 'onMediaError' | 'errors'> {
	/** Where in the device the mapping starts, in bytes: a multiple of the device's alignment. Default 0. */
	offset?: number;
	/** How many bytes to map: a multiple of the device's alignment. Default: all from `offset` on. */
	length?: number;
}

const names: readonly (keyof MapDeviceOptions)[] = ['offset', 'length', 'granularity', 'onMediaError', 'errors'];

/**
 * Maps a device-DAX device (/dev/daxX.Y), or a part of it, into memory: open, fcntl(F_OFD_SETLK), mmap(MAP_SHARED). Its
 * size and alignment are those that sysfs says. Needs no root where the node's permissions allow it.
 *
 * Stores reach the device at once, and survive a power failure after {@link PmemMapping.persist} if the device is
 * persistent memory: `why` says what its region promises. Memory of other sorts (Soft Reserved, CXL without a region of
 * nvdimm) is volatile.
 *
 * While the device is mapped, no kind can have those bytes. Other mappings can.
 *
 * @param device Its node, or its name.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE for an offset or length that
 *   is not a multiple of the device's alignment, or is beyond its end.
 * @throws Error with `path` and `remedy`: ERR_DAXKIND_NO_DEVICE; ERR_DAXKIND_WRONG_MODE if it is not in devdax mode;
 *   ERR_DAXKIND_DEVICE_BUSY if a kind of any process has some of those bytes; ERR_DAXKIND_NO_SYSFS;
 *   ERR_DAXKIND_GRANULARITY, with `granularity`; ERR_DAXKIND_BAD_BLOCKS, with `badBlocks` in bytes of the device, if
 *   `errors` is 'refuse'.
 * @throws A system error: EACCES, ENXIO (open); ENOTSUP (prctl); ENOMEM (mmap); EFAULT, EHWPOISON (madvise).
 * @example
 * const mapping = mapDevice('/dev/dax0.0');
 * mapping.write(0, Buffer.from('hello'));
 * mapping.unmap();
 */
export function mapDevice(device: string | URL, options?: MapDeviceOptions): PmemMapping {
	const given = requireOptions('options', options, names);
	const { offset = 0, length, granularity: coarsest, onMediaError, errors = 'report' } = given;
	if (coarsest !== undefined) requireOneOf('options.granularity', coarsest, granularities);
	requireCallback('options.onMediaError', onMediaError);
	requireOneOf('options.errors', errors, ['report', 'refuse']);
	const part = requirePart(device, offset, [length, 'options.length']);
	const { node: path, align, length: bytes } = part;
	const directory = machine.resolve(`/sys/dev/char/${part.device.major}:${part.device.minor}`);
	const granularity = deviceGranularity(directory);
	requireGranularity(granularity, coarsest, path);
	const mapped = map();
	keepGuardArmed();
	if (errors === 'refuse') checkMapped(mapped, () => refuseBadBlocks(path, offset, mapped));
	return makeMapping({
		...mapped,
		source: 'device',
		length: bytes,
		granularity,
		sync: true,
		sharing: 'shared',
		writable: true,
		path,
		onMediaError,
		device: directory,
	});

	function map() {
		try {
			return native.mapDaxDevice(path, offset, bytes, align, bufferConstants.MAX_LENGTH);
		} catch (error) {
			throw explainRefusal(error as SystemError, part);
		}
	}
}
