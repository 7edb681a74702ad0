// Making and removing devices in dynamic regions, and enabling and disabling any: what daxctl create-device, destroy-device, enable-device and
// disable-device do.
import { requireInteger, requireKnownOptions, requireOptions } from '../arguments.ts';
import { invalidArgType, outOfRange, refusal, type SystemError } from '../errors.ts';
import { type AbortableOptions, checkJobOptions } from '../jobs.ts';
import { type Tree, treeAt } from '../tree.ts';
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
	/** What mappings of the device have to be multiples of, in bytes: 4096, 2 MiB or 1 GiB. Default: the region's. */
	align?: number;
}

/** What became of a device. */
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
			? 'this machine has none'
			: `name one of ${regions.map(({ id, name }) => `${name} (${id})`).join(', ')}`;
	throw refusal('ERR_DAXKIND_NO_REGION', `${given}`, `There is no region ${given} of device DAX`, remedy);
}

/** The directory of a region's attributes. */
const attributesOf = ({ path }: Pick<DaxRegion, 'path'>) => `/sys/devices${path}/dax_region`;

function requireDynamic({ name, dynamic, provider }: DaxRegion): void {
	if (dynamic) return;
	const what = `The region ${name} is static: its memory is that of ${provider === undefined ? 'its device' : `an nvdimm namespace (${provider})`}`;
	throw refusal(
		'ERR_DAXKIND_STATIC_REGION',
		name,
		what,
		'make and remove namespaces: ndctl create-namespace, ndctl destroy-namespace',
	);
}

/** Whether an error says already what stands in the way. */
const isRefusal = (error: unknown) => `${(error as Partial<SystemError>).code}`.startsWith('ERR_DAXKIND_');

/** The error of a write, with what it was for. */
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
		throw refusal('ERR_DAXKIND_REGION_FULL', name, what, 'remove a device of it: daxkind destroy-device');
	}
	const size = given.size ?? free;
	if (size % align !== 0) throw outOfRange('options.size', `a multiple of the alignment, ${align} bytes`, size);
	if (size > availableSize) {
		const what = `The region ${name} has ${availableSize} bytes free, not ${size}`;
		throw refusal('ERR_DAXKIND_REGION_FULL', name, what, `ask for no more than ${availableSize} bytes`);
	}
	return { size, align: given.align };
}

/** A device of a region that has no memory and no driver: one that there is, or one that the kernel makes. */
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
	// The one that was made last; `seed` is the first that no driver has had.
	const made = tree.read(at).value ?? '';
	if (!region.devices.includes(made) && isEmpty(made)) return made;
	const what = `The kernel has made a device in the region ${region.name}, and does not say which`;
	throw refusal('ERR_DAXKIND_DEVICE_FAILED', region.name, what, 'look for it by daxkind devices');
}

/**
 * Makes a device of memory that is free in a dynamic region, in devdax mode.
 *
 * @param region Its name (hmem.0) or its number.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_REGION, ERR_DAXKIND_STATIC_REGION, ERR_DAXKIND_REGION_FULL,
 *   ERR_DAXKIND_DEVICE_FAILED if the kernel refuses a step; the device is removed again then. EACCES (open) for another user than root.
 * @example
 * const { device } = await createDeviceAsync('hmem.0', { size: 2 ** 30 });
 */
export async function createDeviceAsync(region: number | string, options?: CreateDeviceOptions): Promise<DeviceChange> {
	const given = requireOptions<CreateDeviceOptions>('options', options);
	requireKnownOptions('options', given, ['size', 'align', 'signal']);
	const { signal } = checkJobOptions(given);
	const tree = treeAt();
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
			throw failed(found.name, `The kernel makes no device of ${size} bytes in the region ${found.name}`, error);
		}
		return { changed: true, device: requireDevice(tree, name) };
	} finally {
		await writer.close();
	}
}

/** Takes a device's memory away, and the device, if the kernel lets that go. */
async function remove(tree: Tree, kernel: Kernel, region: DaxRegion, name: string): Promise<void> {
	const directory = directoryOf(tree, name);
	await unbind(tree, kernel, name);
	await kernel.write(`${directory}/size`, '0');
	// The kernel keeps a region's first device, and the one that it has ready.
	await kernel.write(`${attributesOf(region)}/delete`, name).catch((error: SystemError) => {
		if (error.code !== 'EBUSY') throw error;
	});
}

/** The options of operations that are done as soon as they have begun. */
function checkSignal(options: AbortableOptions | undefined): void {
	requireKnownOptions('options', requireOptions<AbortableOptions>('options', options), ['signal']);
	checkJobOptions(options);
}

/** Checks that nobody uses a device. */
function requireUnused(tree: Tree, device: DaxDevice): void {
	const refused = modelObstacle(device) ?? useOf(tree, device);
	if (refused !== undefined) throw refused;
	const { name, mode, memory } = device;
	if (mode === 'system-ram' && (memory === undefined || memory.online > 0)) {
		const what = `${name} is in system-ram mode, and ${memory === undefined ? 'whether its memory is online cannot be seen' : `${memory.online} of its ${memory.total} memory blocks are online`}`;
		throw refusal('ERR_DAXKIND_MEMORY_ONLINE', name, what, `daxkind offline-memory ${name}`);
	}
}

/**
 * Removes a device of a dynamic region: its memory is free in the region again. What is stored in it stays there. The kernel keeps the
 * first device of a region, without memory.
 *
 * @returns Whether anything was changed: not, if it had no memory and the kernel keeps it. The region, as it is now.
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_STATIC_REGION, ERR_DAXKIND_DEVICE_IN_USE,
 *   ERR_DAXKIND_MEMORY_ONLINE, ERR_DAXKIND_DEVICE_FAILED. EACCES (open) for another user than root.
 */
export async function destroyDeviceAsync(
	device: string,
	options?: AbortableOptions,
): Promise<{ changed: boolean; region: DaxRegion }> {
	checkSignal(options);
	const tree = treeAt();
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
		throw failed(found.name, `The kernel does not let ${found.name} go`, error);
	} finally {
		await writer.close();
	}
	// One that was empty, and that the kernel keeps, is as it was.
	const isThere = directoryOf(tree, found.name) !== undefined;
	return { changed: found.size !== 0 || !isThere, region: requireRegion(region.name) };
}

/**
 * Gives a device that has no driver to device_dax: devdax mode.
 *
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_DEVICE_EMPTY, ERR_DAXKIND_NO_DRIVER,
 *   ERR_DAXKIND_DEVICE_FAILED. EACCES (open) for another user than root.
 */
export async function enableDeviceAsync(device: string, options?: AbortableOptions): Promise<DeviceChange> {
	checkSignal(options);
	const tree = treeAt();
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
 * Takes a device from its driver: it can no more be mapped, and its memory is nobody's.
 *
 * @throws Error with `code`, `path` and `remedy`: ERR_DAXKIND_NO_DEVICE, ERR_DAXKIND_CLASS_DEVICE, ERR_DAXKIND_DEVICE_IN_USE,
 *   ERR_DAXKIND_MEMORY_ONLINE, ERR_DAXKIND_DEVICE_FAILED. EACCES (open) for another user than root.
 */
export async function disableDeviceAsync(device: string, options?: AbortableOptions): Promise<DeviceChange> {
	checkSignal(options);
	const tree = treeAt();
	const found = requireDevice(tree, device);
	if (found.mode === 'disabled') return { changed: false, device: found };
	requirePrivilege(tree, found.name, filesOf([found.driver ?? 'device_dax']));
	requireUnused(tree, found);
	const writer = new Writer();
	try {
		await unbind(tree, writer, found.name);
	} catch (error) {
		if (isRefusal(error)) throw error;
		throw failed(found.name, `The driver ${found.driver} does not let ${found.name} go`, error, 'look at dmesg');
	} finally {
		await writer.close();
	}
	return { changed: true, device: requireDevice(tree, found.name) };
}
