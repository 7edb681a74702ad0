// Which driver has a device on the dax bus, and giving it to another one.
import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import type { SystemError } from '../errors.ts';
import { refusal } from '../errors.ts';
import type { DaxDevice } from './device.ts';
import { directoryOf } from './find.ts';
import type { Tree } from './tree.ts';
import type { Writer } from './writer.ts';

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
 * Sees to it that a driver is there, by modprobe where it is not.
 *
 * @throws Error ERR_DAXKIND_NO_DRIVER.
 */
export async function requireDriver(tree: Tree, name: string, driver: Driver): Promise<void> {
	if (tree.isDirectory(`${drivers}/${driver}`)) return;
	const said = await new Promise<string>((resolve) => {
		const modprobe = tree.read('/proc/sys/kernel/modprobe').value || '/sbin/modprobe';
		execFile(modprobe, [driver], (error, _, stderr) => resolve(error === null ? '' : stderr.trim() || error.message));
	});
	if (tree.isDirectory(`${drivers}/${driver}`)) return;
	const what = `The kernel's driver ${driver} is not loaded, and modprobe ${driver} does not bring it: ${said || 'it has no such module'}`;
	const option = driver === 'kmem' ? 'CONFIG_DEV_DAX_KMEM' : 'CONFIG_DEV_DAX';
	throw refusal('ERR_DAXKIND_NO_DRIVER', name, what, `boot a kernel with ${option}`);
}

/** Takes a device from the driver that has it, and from what the driver would take by itself. */
export async function unbind(tree: Tree, writer: Writer, { name }: Pick<DaxDevice, 'name'>): Promise<void> {
	const driver = driverOf(tree, name);
	if (driver === undefined) return;
	// It is on the driver's list only if somebody put it there.
	await writer.write(`${drivers}/${driver}/remove_id`, name).catch(() => {});
	await writer.write(`${drivers}/${driver}/unbind`, name);
}

/**
 * Gives a device that no driver has to one.
 *
 * @throws A system error of write; what the driver said in the kernel's log is not known.
 */
export async function bind(
	tree: Tree,
	writer: Writer,
	{ name }: Pick<DaxDevice, 'name'>,
	driver: Driver,
): Promise<void> {
	// new_id lets the driver try at once, and does not say how that went.
	await writer.write(`${drivers}/${driver}/new_id`, name).catch((error: SystemError) => {
		if (error.code !== 'EEXIST') throw error;
	});
	if (driverOf(tree, name) === driver) return;
	try {
		await writer.write(`${drivers}/${driver}/bind`, name);
	} catch (error) {
		await writer.write(`${drivers}/${driver}/remove_id`, name).catch(() => {});
		throw error;
	}
}
