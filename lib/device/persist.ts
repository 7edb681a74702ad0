// Sets a device's mode at each boot, by a udev rule and a unit of systemd.
import { accessSync, constants, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFile } from '../create-file.ts';
import { refusal } from '../errors.ts';
import type { Tree } from '../tree.ts';
import type { DaxDevice } from './device.ts';
import { directoryOf } from './find.ts';

/** How a device is recognised from one boot to the next, and where udev finds that. */
interface Identity {
	id: string;
	match: string;
	/** The UUID of an nvdimm namespace. */
	uuid: string | undefined;
}

/** What the device is recognised by. Undefined for a device that is not an nvdimm, if this user is not root. */
export function identityOf(tree: Tree, device: DaxDevice): Identity | undefined {
	const directory = directoryOf(tree, device.name);
	const owner = directory === undefined ? undefined : dirname(directory);
	const uuid = owner === undefined ? undefined : tree.read(`${owner}/uuid`).value || undefined;
	if (uuid !== undefined) return { id: uuid, match: `ATTRS{uuid}=="${uuid}"`, uuid };
	const start = directory === undefined ? undefined : tree.read(`${directory}/resource`).value || undefined;
	if (start === undefined || !/^0x[\da-f]+$/.test(start)) return undefined;
	return { id: start, match: `ATTR{resource}=="${start}"`, uuid };
}

function requireIdentity(tree: Tree, device: DaxDevice): Identity {
	const identity = identityOf(tree, device);
	if (identity !== undefined) return identity;
	const what = `daxkind recognises ${device.name} after a reboot by the address of its memory, and this process cannot read that address`;
	throw refusal('ERR_DAXKIND_NO_IDENTITY', device.name, what, 'run as root');
}

const marker = '# Written by daxkind, which removes it with persist: false.';
export const ruleOf = (id: string) => `/etc/udev/rules.d/91-daxkind-${id}.rules`;
export const unitOf = (id: string) => `/etc/systemd/system/daxkind-${id}@.service`;

/** How the mode is set at boot. */
export interface Persistence {
	mode: 'devdax' | 'system-ram';
	online: boolean;
	movable: boolean;
}

/** Escapes an argument for ExecStart: what systemd would expand is doubled, and an argument with blanks is quoted. */
const escaped = (argument: string) => {
	const doubled = argument
		.replaceAll('%', '%%')
		.replaceAll('$', '$$$$')
		.replaceAll('\\', '\\\\')
		.replaceAll('"', '\\"');
	return /[\s;"']/.test(argument) ? `"${doubled}"` : doubled;
};

function unitText({ mode, online, movable }: Persistence): string {
	const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
	const mounts = [process.execPath, cli].map(escaped).join(' ');
	const flags = mode === 'devdax' ? [] : [...(online ? [] : ['--no-online']), ...(movable ? [] : ['--no-movable'])];
	const command = [process.execPath, cli, 'reconfigure-device', `--mode=${mode}`, '--force', ...flags];
	return `${marker}
[Unit]
Description=Device-DAX device %I in ${mode} mode
RequiresMountsFor=${mounts}

[Service]
Type=oneshot
ExecStart=${command.map(escaped).join(' ')} %I
`;
}

const ruleText = (id: string, match: string) => `${marker}
ACTION=="add", SUBSYSTEM=="dax", ${match}, TAG+="systemd", ENV{SYSTEMD_WANTS}+="daxkind-${id}@%k.service"
`;

const directories = ['/etc/udev/rules.d', '/etc/systemd/system'];

/** The files that exist for a device. The rule comes first, because without it nothing calls the unit. */
const filesOf = (tree: Tree, id: string) => [ruleOf(id), unitOf(id)].filter((path) => tree.stat(path) !== undefined);

/** Refuses files that somebody else wrote, and directories that are missing or that this user cannot write to. */
function requireFiles(tree: Tree, device: DaxDevice, there: readonly string[], isToStay: boolean): void {
	const foreign = there.find((path) => !tree.read(path).value?.startsWith(marker));
	if (foreign !== undefined) {
		const what = `${foreign} was not written by daxkind`;
		throw refusal('ERR_DAXKIND_FOREIGN_FILE', foreign, what, `look at it, and remove it yourself: rm ${foreign}`);
	}
	for (const directory of isToStay ? directories : there.map((path) => dirname(path))) {
		if (!tree.isDirectory(directory)) {
			const what = `There is no ${directory}, so udev and systemd would not set the mode of ${device.name} at boot`;
			const remedy = `call this in the machine's own boot scripts: daxkind reconfigure-device --mode=MODE ${device.name}`;
			throw refusal('ERR_DAXKIND_NO_SYSTEMD', directory, what, remedy);
		}
		accessSync(tree.place(directory), constants.W_OK);
	}
}

/**
 * Refuses what {@link persist}, or {@link forget}, could not do.
 *
 * @throws Error ERR_DAXKIND_NO_IDENTITY, ERR_DAXKIND_NO_SYSTEMD, ERR_DAXKIND_FOREIGN_FILE; EACCES or EROFS (access).
 */
export function requirePersistable(tree: Tree, device: DaxDevice, isToStay: boolean): void {
	requireFiles(tree, device, filesOf(tree, requireIdentity(tree, device).id), isToStay);
}

/** Removes the files of a device. Returns whether there were any. */
function removeFiles(tree: Tree, device: DaxDevice, id: string): boolean {
	const there = filesOf(tree, id);
	requireFiles(tree, device, there, false);
	for (const path of there) rmSync(tree.place(path));
	return there.length > 0;
}

/**
 * Sets a mode at each boot, by a udev rule and a unit of systemd that calls this copy of daxkind.
 *
 * @returns Whether anything had to be written. It is false if the files are there already.
 * @throws As {@link requirePersistable}; a system error of open, write or link. Neither file is there after an error.
 */
export function persist(tree: Tree, device: DaxDevice, how: Persistence): boolean {
	const { id, match } = requireIdentity(tree, device);
	const files = new Map([
		[unitOf(id), unitText(how)],
		[ruleOf(id), ruleText(id, match)],
	]);
	if ([...files].every(([path, text]) => tree.read(path).value === text.trim())) return false;
	removeFiles(tree, device, id);
	try {
		for (const [path, text] of files) createFile(tree.place(path), text);
	} catch (error) {
		removeFiles(tree, device, id);
		throw error;
	}
	return true;
}

/** Undoes {@link persist}. Returns whether there was anything to undo. */
export const forget = (tree: Tree, device: DaxDevice): boolean =>
	removeFiles(tree, device, requireIdentity(tree, device).id);
