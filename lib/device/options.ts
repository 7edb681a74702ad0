// The options that the operations on devices share.
import { requireBoolean, requireInteger, requireOptions } from '../arguments.ts';
import { checkJobOptions, type WatchableOptions } from '../jobs.ts';

/** How far an operation on a device has come. */
export interface DeviceProgress {
	/** What is being done: the driver is changed, or memory blocks go on- or offline. */
	step: 'driver' | 'online' | 'offline';
	/** How many memory blocks are done. For the driver: 0 or 1. */
	done: number;
	total: number;
}

export interface DeviceOperationOptions extends WatchableOptions<DeviceProgress> {
	/**
	 * How many milliseconds one memory block may take to go offline. The kernel moves everything in it elsewhere, and
	 * tries for ever where a device or io_uring has a page pinned. Default 60000.
	 */
	blockLimitMs?: number;
}

export interface CheckedOperationOptions {
	signal: AbortSignal | undefined;
	onProgress: (progress: DeviceProgress) => void;
	blockLimitMs: number;
}

const defaultBlockLimitMs = 60_000;
/** The limit of setTimeout. */
const mostMs = 2 ** 31 - 1;

const deviceOptionNames = ['signal', 'onProgress', 'blockLimitMs'];

/**
 * Checks the options of an operation: the shared ones, and the switches that it has beside them. A switch gets its
 * default if it is not given; its default may be undefined.
 */
export function checkDeviceOptions<Switches extends Record<string, boolean | undefined>>(
	options: (DeviceOperationOptions & { [name in keyof Switches]?: boolean | undefined }) | undefined,
	switches: Switches,
): CheckedOperationOptions & Switches {
	const given = requireOptions('options', options, [
		...deviceOptionNames,
		...Object.keys(switches),
	]) as DeviceOperationOptions & Record<string, unknown>;
	const { signal, onProgress = () => {} } = checkJobOptions<DeviceProgress>(given);
	const { blockLimitMs = defaultBlockLimitMs } = given;
	requireInteger('options.blockLimitMs', blockLimitMs, 1, mostMs);
	const values = Object.entries(switches).map(([name, fallback]) => {
		const value = given[name] ?? fallback;
		return [name, value === undefined ? undefined : requireBoolean(`options.${name}`, value)];
	});
	return { signal, onProgress, blockLimitMs, ...(Object.fromEntries(values) as Switches) };
}
