// Which driver has a device on the dax bus, and giving it to another one.
import { basename } from 'node:path';
import { refusal, type SystemError } from '../errors.ts';
import type { Tree } from '../tree.ts';
import { directoryOf, requireDevice } from './find.ts';
import type { Kernel } from './kernel.ts';

export type Driver = 'device_dax' | 'kmem';

const drivers = '/sys/bus/dax/drivers';

/** The driver that has a device now; undefined if none has. */
export function driverOf(tree: Tree, name: string): string | undefined {
	const directory = directoryOf(tree, name);
	const driver = directory === undefined ? undefined : tree.resolve(`${directory}/driver`);
	return driver === undefined ? undefined : basename(driver);
}

/** The files that moving a device from one driver to another writes. */
export const filesOf = (names: readonly string[]): string[] =>
	names.flatMap((driver) => ['bind', 'unbind', 'new_id', 'remove_id'].map((file) => `${drivers}/${driver}/${file}`));

/**
 * Sees to it that a driver is there, by modprobe where it is not. A driver that comes may take devices at once that no other has: kmem what
 * is Soft Reserved, on newer kernels.
 *
 * @throws Error ERR_DAXKIND_NO_DRIVER.
 */
export async function requireDriver(tree: Tree, kernel: Kernel, name: string, driver: Driver): Promise<void> {
	if (tree.isDirectory(`${drivers}/${driver}`)) return;
	const said = await kernel.loadModule(driver);
	if (tree.isDirectory(`${drivers}/${driver}`)) return;
	const what = `The kernel's driver ${driver} is not loaded, and modprobe ${driver} does not bring it: ${said || 'it has no such module'}`;
	const option = driver === 'kmem' ? 'CONFIG_DEV_DAX_KMEM' : 'CONFIG_DEV_DAX';
	throw refusal('ERR_DAXKIND_NO_DRIVER', name, what, `boot a kernel with ${option}`);
}

/**
 * Takes a device from the driver that has it, and from what the driver would take by itself.
 *
 * @throws Error ERR_DAXKIND_MEMORY_ONLINE: kmem lets go of memory that is online, and the device is dead until the next boot then.
 */
export async function unbind(tree: Tree, kernel: Kernel, name: string): Promise<void> {
	const { driver, memory } = requireDevice(tree, name);
	if (driver === undefined) return;
	if (memory !== undefined && memory.online > 0) {
		const what = `${memory.online} of ${memory.total} memory blocks of ${name} are online`;
		throw refusal('ERR_DAXKIND_MEMORY_ONLINE', name, what, `daxkind offline-memory ${name}`);
	}
	// It is on the driver's list only if somebody put it there.
	await kernel.write(`${drivers}/${driver}/remove_id`, name).catch(() => {});
	await kernel.write(`${drivers}/${driver}/unbind`, name);
}

/**
 * Gives a device that no driver has to one.
 *
 * @throws A system error of write; what the driver said in the kernel's log is not known.
 */
export async function bind(tree: Tree, kernel: Kernel, name: string, driver: string): Promise<void> {
	// new_id lets the driver try at once, and does not say how that went.
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
