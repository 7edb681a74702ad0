// Makes and removes devices in dynamic regions, and enables and disables any device: what daxctl create-device,
// destroy-device, enable-device and disable-device do.
import { requireInteger, requireOptions } from '../arguments.ts';
import { invalidArgType, outOfRange, refusal, type SystemError } from '../errors.ts';
import { type AbortableOptions, checkJobOptions } from '../jobs.ts';
import { machine, type Tree } from '../tree.ts';
import type { DaxDevice } from './device.ts';
import { bind, driverOf, filesOf, requireDriver, unbind } from './drivers.ts';
import { directoryOf, requireDevice } from './find.ts';
import type { Kernel } from './kernel.ts';
import { emptyObstacle, modelObstacle, useOf } from './obstacles.ts';
import { requirePrivilege } from './privilege.ts';
import { type DaxRegion, listRegions } from './regions.ts';
import { Writer } from './writer.ts';

export interface CreateDeviceOptions extends AbortableOptions {
	/** Bytes, a multiple of the alignment. Default: all that the region has free. */
	size?: number;
	/**
	 * Mappings of the device have to be multiples of this many bytes: 4096, 2 MiB or 1 GiB. Default: the region's
	 * alignment.
	 */
	align?: number;
}

/** What an operation did to a device. */
export interface DeviceChange {
	/** Whether anything was changed. */
	changed: boolean;
	/** The device, as it is now. */
	device: DaxDevice;
}

function requireRegion(given: number | string): DaxRegion {
	if (typeof given !== 'number' && typeof given !== 'string') {
		throw invalidArgType('region', 'of type number or string', given);
	}
	const regions = listRegions();
	const found = regions.find(({ id, name, path }) => [id, `${id}`, name, path].includes(given));
	if (found !== undefined) return found;
	const remedy =
		regions.length === 0
			? 'use a machine with Soft Reserved or CXL memory, because this machine has no region'
			: `name one of ${regions.map(({ id, name }) => `${name} (${id})`).join(', ')}`;
	throw refusal('ERR_DAXKIND_NO_REGION', `${given}`, `There is no region ${given} of device DAX`, remedy);
}

/** The directory of a region's attributes. */
const attributesOf = ({ path }: Pick<DaxRegion, 'path'>) => `/sys/devices${path}/dax_region`;

function requireDynamic({ name, dynamic, provider }: DaxRegion): void {
	if (dynamic) return;
	const what = `The region ${name} is static, because its memory belongs to ${provider === undefined ? 'its device' : `an nvdimm namespace (${provider})`}`;
	throw refusal(
		'ERR_DAXKIND_STATIC_REGION',
		name,
		what,
		'make and remove namespaces: ndctl create-namespace, ndctl destroy-namespace',
	);
}

/** Whether an error is a refusal, which says already what stands in the way. */
const isRefusal = (error: unknown) => `${(error as Partial<SystemError>).code}`.startsWith('ERR_DAXKIND_');

/** The error of a write, with what the write was for. */
const failed = (name: string, what: string, error: unknown, remedy?: string) =>
	Object.assign(refusal('ERR_DAXKIND_DEVICE_FAILED', name, `${what}: ${(error as SystemError).code}`, remedy), {
		cause: error,
	});

function checkCreation(
	options: CreateDeviceOptions | undefined,
	region: DaxRegion,
): { size: number; align: number | undefined } {
	const { align: least = 1, availableSize = 0, name } = region;
	const given = requireOptions<CreateDeviceOptions>('options', options);
	if (given.align !== undefined) requireInteger('options.align', given.align, 4096);
	if (given.size !== undefined) requireInteger('options.size', given.size, 1);
	const align = given.align ?? least;
	const free = Math.floor(availableSize / align) * align;
	if (availableSize > 0 && free === 0) {
		const what = `The region ${name} has ${availableSize} bytes free, less than the alignment of ${align}`;
		throw refusal('ERR_DAXKIND_REGION_FULL', name, what, 'ask for a smaller alignment');
	}
	if (availableSize === 0) {
		const what = `The region ${name} has no memory free: all of it is in ${region.devices.join(', ')}`;
		throw refusal('ERR_DAXKIND_REGION_FULL', name, what, 'remove one of its devices: daxkind destroy-device');
	}
	const size = given.size ?? free;
	if (size % align !== 0) throw outOfRange('options.size', `a multiple of the alignment, ${align} bytes`, size);
	if (size > availableSize) {
		const what = `The region ${name} has ${availableSize} bytes free, not ${size}`;
		throw refusal('ERR_DAXKIND_REGION_FULL', name, what, `ask for no more than ${availableSize} bytes`);
	}
	return { size, align: given.align };
}

/** A device of a region that has no memory and no driver. The kernel makes one if the region has no such device. */
export async function plant(tree: Tree, kernel: Kernel, region: DaxRegion): Promise<string> {
	const isEmpty = (name: string) => {
		const directory = directoryOf(tree, name);
		if (directory === undefined || driverOf(tree, name) !== undefined) return false;
		return tree.number(`${directory}/size`).value === 0;
	};
	const empty = region.devices.find(isEmpty);
	if (empty !== undefined) return empty;
	const at = `${attributesOf(region)}/create`;
	await kernel.write(at, '1');
	// `create` reads as the device that was made last. `seed` would be the first one that has had no driver.
	const made = tree.read(at).value ?? '';
	if (!region.devices.includes(made) && isEmpty(made)) return made;
	const what = `The kernel made a device in the region ${region.name}, but does not say which one`;
	throw refusal('ERR_DAXKIND_DEVICE_FAILED', region.name, what, 'look for it with daxkind devices');
}

/**
 * Makes a device of free memory in a dynamic region, in devdax mode. A process of its own writes to sysfs, so the event
 * loop does not wait.
 *
 * @param region Its name (hmem.0) or its number.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_REGION, ERR_DAXKIND_STATIC_REGION,
 * ERR_DAXKIND_REGION_FULL, ERR_DAXKIND_NO_DRIVER, ERR_DAXKIND_DEVICE_FAILED if the kernel refuses a step. In that case
 * the device is removed again. EACCES (open) if you are not root. The signal's reason.
 * @example
 * const { device } = await createDeviceAsync('hmem.0', { size: 2 ** 30 });
 */
export async function createDeviceAsync(region: number | string, options?: CreateDeviceOptions): Promise<DeviceChange> {
	const given = requireOptions<CreateDeviceOptions>('options', options, ['size', 'align', 'signal']);
	const { signal } = checkJobOptions(given);
	const tree = machine;
	const found = requireRegion(region);
	requireDynamic(found);
	const { size, align } = checkCreation(given, found);
	requirePrivilege(tree, found.name, [`${attributesOf(found)}/create`]);
	const writer = new Writer();
	try {
		await requireDriver(tree, writer, found.name, 'device_dax');
		const name = await plant(tree, writer, found);
		const directory = directoryOf(tree, name);
		try {
			if (align !== undefined) await writer.write(`${directory}/align`, `${align}`, { signal });
			await writer.write(`${directory}/size`, `${size}`, { signal });
			await bind(tree, writer, name, 'device_dax');
		} catch (error) {
			await remove(tree, writer, found, name).catch(() => {});
			signal?.throwIfAborted();
			throw failed(
				found.name,
				`The kernel refuses to make a device of ${size} bytes in the region ${found.name}`,
				error,
			);
		}
		return { changed: true, device: requireDevice(tree, name) };
	} finally {
		await writer.close();
	}
}

/** Takes the memory of a device away, and removes the device if the kernel allows it. */
async function remove(tree: Tree, kernel: Kernel, region: DaxRegion, name: string): Promise<void> {
	const directory = directoryOf(tree, name);
	await unbind(tree, kernel, name);
	await kernel.write(`${directory}/size`, '0');
	// The kernel refuses to delete a region's first device, and the one that it keeps ready.
	await kernel.write(`${attributesOf(region)}/delete`, name).catch((error: SystemError) => {
		if (error.code !== 'EBUSY') throw error;
	});
}

/** Checks the options of operations that cannot be aborted once they have begun. */
function checkSignal(options: AbortableOptions | undefined): void {
	checkJobOptions(options, ['signal']);
}

/** Refuses a device that somebody uses. */
function requireUnused(tree: Tree, device: DaxDevice): void {
	const refused = modelObstacle(device) ?? useOf(tree, device);
	if (refused !== undefined) throw refused;
	const { name, mode, memory } = device;
	if (mode === 'system-ram' && (memory === undefined || memory.online > 0)) {
		const what = `${name} is in system-ram mode, and ${memory === undefined ? 'this process cannot see whether its memory is online' : `${memory.online} of its ${memory.total} memory blocks are online`}`;
		throw refusal('ERR_DAXKIND_MEMORY_ONLINE', name, what, `daxkind offline-memory ${name}`);
	}
}

/**
 * Removes a device of a dynamic region, so that its memory is free in the region again. What is stored in it is not
 * cleared. The kernel keeps the first device of a region, without memory. A process of its own writes to sysfs, so the
 * event loop does not wait. `signal` counts only before the operation begins.
 *
 * @returns `changed`: whether anything was changed. It is false if the device had no memory and the kernel keeps it.
 * `region`: the region, as it is now.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_STATIC_REGION,
 * ERR_DAXKIND_DEVICE_IN_USE, ERR_DAXKIND_MEMORY_ONLINE, ERR_DAXKIND_DEVICE_FAILED. EACCES (open) if you are not root.
 * ENOENT (open) or ENODATA (read) if the table of mounts cannot be read.
 */
export async function destroyDeviceAsync(
	device: string,
	options?: AbortableOptions,
): Promise<{ changed: boolean; region: DaxRegion }> {
	checkSignal(options);
	const tree = machine;
	const found = requireDevice(tree, device);
	const region = requireRegion(found.region ?? '');
	requireDynamic(region);
	requirePrivilege(tree, found.name, [`${attributesOf(region)}/delete`]);
	requireUnused(tree, found);
	const writer = new Writer();
	try {
		await remove(tree, writer, region, found.name);
	} catch (error) {
		if (isRefusal(error)) throw error;
		throw failed(found.name, `The kernel refuses to remove ${found.name}`, error);
	} finally {
		await writer.close();
	}
	// A device that was empty, and that the kernel keeps, has not changed.
	const isThere = directoryOf(tree, found.name) !== undefined;
	return { changed: found.size !== 0 || !isThere, region: requireRegion(region.name) };
}

/**
 * Gives a device that has no driver to device_dax, so that it is in devdax mode. A process of its own writes to sysfs,
 * so the event loop does not wait. `signal` counts only before the operation begins.
 *
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_DEVICE_EMPTY,
 * ERR_DAXKIND_NO_DRIVER, ERR_DAXKIND_DEVICE_FAILED. EACCES (open) if you are not root.
 */
export async function enableDeviceAsync(device: string, options?: AbortableOptions): Promise<DeviceChange> {
	checkSignal(options);
	const tree = machine;
	const found = requireDevice(tree, device);
	if (found.mode !== 'disabled') return { changed: false, device: found };
	const empty = emptyObstacle(found);
	if (empty !== undefined) throw empty;
	requirePrivilege(tree, found.name, filesOf(['device_dax', 'kmem']));
	const writer = new Writer();
	try {
		await requireDriver(tree, writer, found.name, 'device_dax');
		if (driverOf(tree, found.name) === undefined) await bind(tree, writer, found.name, 'device_dax');
	} catch (error) {
		if (isRefusal(error)) throw error;
		throw failed(found.name, `The driver device_dax does not take ${found.name}`, error, 'look at dmesg');
	} finally {
		await writer.close();
	}
	return { changed: true, device: requireDevice(tree, found.name) };
}

/**
 * Takes a device from its driver. Then nobody can map it, and nothing uses its memory. A device that somebody maps or
 * has mounted is refused. A process of its own writes to sysfs, so the event loop does not wait. `signal` counts only
 * before the operation begins.
 *
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_CLASS_DEVICE,
 * ERR_DAXKIND_DEVICE_IN_USE, ERR_DAXKIND_MEMORY_ONLINE, ERR_DAXKIND_DEVICE_FAILED. EACCES (open) if you are not root.
 * ENOENT (open) or ENODATA (read) if the table of mounts cannot be read.
 */
export async function disableDeviceAsync(device: string, options?: AbortableOptions): Promise<DeviceChange> {
	checkSignal(options);
	const tree = machine;
	const found = requireDevice(tree, device);
	if (found.mode === 'disabled') return { changed: false, device: found };
	requirePrivilege(tree, found.name, filesOf([found.driver ?? 'device_dax']));
	requireUnused(tree, found);
	const writer = new Writer();
	try {
		await unbind(tree, writer, found.name);
	} catch (error) {
		if (isRefusal(error)) throw error;
		throw failed(found.name, `The driver ${found.driver} does not release ${found.name}`, error, 'look at dmesg');
	} finally {
		await writer.close();
	}
	return { changed: true, device: requireDevice(tree, found.name) };
}
