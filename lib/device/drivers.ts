// Says which driver has a device on the dax bus, and gives the device to another driver.
import { basename } from 'node:path';
import { refusal, type SystemError } from '../errors.ts';
import type { Tree } from '../tree.ts';
import { directoryOf, requireDevice } from './find.ts';
import type { Kernel } from './kernel.ts';

export type Driver = 'device_dax' | 'kmem';

const drivers = '/sys/bus/dax/drivers';

/** The driver that has a device now. Undefined if it has no driver. */
export function driverOf(tree: Tree, name: string): string | undefined {
	const directory = directoryOf(tree, name);
	const driver = directory === undefined ? undefined : tree.resolve(`${directory}/driver`);
	return driver === undefined ? undefined : basename(driver);
}

/** The files that are written when a device moves from one driver to another. */
export const filesOf = (names: readonly string[]): string[] =>
	names.flatMap((driver) => ['bind', 'unbind', 'new_id', 'remove_id'].map((file) => `${drivers}/${driver}/${file}`));

/**
 * Loads a driver by modprobe if it is not there. A driver that is loaded may at once take devices that have no driver:
 * on newer kernels kmem takes Soft Reserved memory.
 *
 * @throws Error ERR_DAXKIND_NO_DRIVER.
 */
export async function requireDriver(tree: Tree, kernel: Kernel, name: string, driver: Driver): Promise<void> {
	if (tree.isDirectory(`${drivers}/${driver}`)) return;
	const said = await kernel.loadModule(driver);
	if (tree.isDirectory(`${drivers}/${driver}`)) return;
	const what =
		said === ''
			? `There is no driver ${driver}, although modprobe ${driver} succeeded`
			: `The driver ${driver} is not loaded, and modprobe ${driver} fails: ${said}`;
	const option = driver === 'kmem' ? 'CONFIG_DEV_DAX_KMEM' : 'CONFIG_DEV_DAX';
	throw refusal('ERR_DAXKIND_NO_DRIVER', name, what, `boot a kernel with ${option}`);
}

/**
 * Takes a device from its driver, and off the list of devices that the driver would take by itself.
 *
 * @throws Error ERR_DAXKIND_MEMORY_ONLINE. kmem would let a device go whose memory is online, and the device would be
 * dead until the next boot.
 */
export async function unbind(tree: Tree, kernel: Kernel, name: string): Promise<void> {
	const { driver, memory } = requireDevice(tree, name);
	if (driver === undefined) return;
	if (memory !== undefined && memory.online > 0) {
		const what = `${memory.online} of ${memory.total} memory blocks of ${name} are online`;
		throw refusal('ERR_DAXKIND_MEMORY_ONLINE', name, what, `daxkind offline-memory ${name}`);
	}
	// The device is on the driver's list only if somebody put it there.
	await kernel.write(`${drivers}/${driver}/remove_id`, name).catch(() => {});
	await kernel.write(`${drivers}/${driver}/unbind`, name);
}

/**
 * Gives a device that has no driver to a driver.
 *
 * @throws A system error of write. What the driver said about it is in the kernel's log, and not in the error.
 */
export async function bind(tree: Tree, kernel: Kernel, name: string, driver: string): Promise<void> {
	// A write to new_id lets the driver try at once, but does not say how that went.
	await kernel.write(`${drivers}/${driver}/new_id`, name).catch((error: SystemError) => {
		if (error.code !== 'EEXIST') throw error;
	});
	if (driverOf(tree, name) === driver) return;
	try {
		await kernel.write(`${drivers}/${driver}/bind`, name);
	} catch (error) {
		await kernel.write(`${drivers}/${driver}/remove_id`, name).catch(() => {});
		throw error;
	}
}
