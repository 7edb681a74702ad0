// The migration from the class of device-DAX devices to their bus. It writes a policy for modprobe, as
// `daxctl migrate-device-model` does.
import { rmSync } from 'node:fs';
import { requireBoolean, requireOptions } from '../arguments.ts';
import { createFile } from '../create-file.ts';
import { refusal } from '../errors.ts';
import { quoted } from '../format.ts';
import { type Tree, treeOf } from '../tree.ts';
import { type InitramfsImage, initramfsImages } from './initramfs.ts';
import { alias, type DeviceModel, modelOf, newModule, oldModule } from './model.ts';

export interface MigrateDeviceModelOptions {
	/** Remove the policy again, if it is the one that this function wrote. Default false. */
	undo?: boolean;
	/** Change nothing, and say what would be changed. Default false. */
	dryRun?: boolean;
	/** A directory where the image of another machine is mounted. Default: the root of this machine. */
	root?: string;
}

/** What a migration did. */
export interface DeviceModelMigration {
	/** Whether a file was written or removed, or in a dry run, would be. */
	changed: boolean;
	dryRun: boolean;
	/**
	 * The file that was written or removed, or the policy that was there already. Undefined if there was nothing to undo.
	 */
	path: string | undefined;
	/** The device model, as it is now. */
	model: DeviceModel;
	/**
	 * The initramfs images that have to be made again. These are the images that have the old module without the policy,
	 * and so load it; after `undo`, the images that still have the policy; and images that cannot be read.
	 */
	initramfs: InitramfsImage[];
	/** What to do next, in order: commands, or a reboot. */
	next: string[];
}

const policyFile = '/etc/modprobe.d/daxkind.conf';
const daxctlFile = '/etc/modprobe.d/daxctl.conf';

const policy = `# Written by "daxkind migrate-device-model", which removes it with --undo.
# The module dax_pmem makes device-DAX devices on the bus /sys/bus/dax, where the
# older dax_pmem_compat makes them in the class /sys/class/dax.
blacklist ${oldModule}
alias ${alias} ${newModule}
`;

const names = ['undo', 'dryRun', 'root'];

/** What kind of file lies at the policy's place, if there is one. */
function ownPolicy(tree: Tree): 'ours' | 'changed' | undefined {
	if (tree.stat(policyFile) === undefined) return undefined;
	return tree.bytes(policyFile).value?.toString() === policy ? 'ours' : 'changed';
}

function next(tree: Tree, { model, remedy }: DeviceModel, isToRebuild: boolean): string[] {
	const on = tree.root === '' ? '' : `chroot ${quoted(tree.root)} `;
	const command = tree.isDirectory('/etc/initramfs-tools')
		? 'update-initramfs -u -k all'
		: 'dracut --force --regenerate-all';
	const hasBus = tree.isDirectory('/sys/bus/dax');
	const boot = model !== 'class' ? [] : [hasBus || remedy === undefined ? 'reboot' : remedy];
	return [...(isToRebuild ? [`${on}${command}`] : []), ...boot];
}

function undone(tree: Tree, dryRun: boolean): Pick<DeviceModelMigration, 'changed' | 'path'> {
	const found = ownPolicy(tree);
	if (found === 'changed') {
		const what = `${policyFile} is not as daxkind wrote it`;
		throw refusal('ERR_DAXKIND_FOREIGN_FILE', policyFile, what, `look at it, and remove it yourself: rm ${policyFile}`);
	}
	if (found === 'ours') {
		if (!dryRun) rmSync(tree.place(policyFile));
		return { changed: true, path: policyFile };
	}
	const { policy: other } = modelOf(tree);
	if (other === undefined) return { changed: false, path: undefined };
	const by = other === daxctlFile ? 'daxctl' : 'somebody else';
	throw refusal(
		'ERR_DAXKIND_FOREIGN_FILE',
		other,
		`${other} was made by ${by}, not by daxkind`,
		`remove it yourself: rm ${other}`,
	);
}

function done(tree: Tree, dryRun: boolean): Pick<DeviceModelMigration, 'changed' | 'path'> {
	const { policy: present } = modelOf(tree);
	if (present !== undefined) return { changed: false, path: present };
	if (ownPolicy(tree) !== undefined) {
		const what = `${policyFile} exists already, and the policy is not in it`;
		throw refusal(
			'ERR_DAXKIND_FOREIGN_FILE',
			policyFile,
			what,
			`look at it, and move it away: mv ${policyFile} ${policyFile}.old`,
		);
	}
	if (!tree.isDirectory('/etc/modprobe.d')) {
		const what = `there is no /etc/modprobe.d${tree.root === '' ? '' : ` in ${tree.root}`}, so modprobe has no configuration`;
		throw refusal(
			'ERR_DAXKIND_NO_MODPROBE',
			'/etc/modprobe.d',
			what,
			'install kmod, or name the root of an image with a system in it',
		);
	}
	if (!dryRun) createFile(tree.place(policyFile), policy);
	return { changed: true, path: policyFile };
}

/**
 * Makes modprobe load dax_pmem, whose device-DAX devices are on the bus /sys/bus/dax, and never dax_pmem_compat, whose
 * devices are in the class /sys/class/dax. It writes /etc/modprobe.d/daxkind.conf with the content that
 * `daxctl migrate-device-model` installs. The policy takes effect when the modules are loaded the next time. A policy
 * that is there already, for example daxctl's, stays as it is, and nothing is changed.
 *
 * It blocks the thread until the images in /boot are read.
 *
 * @throws Error ERR_DAXKIND_FOREIGN_FILE for a file that is not as this function wrote it; ERR_DAXKIND_NO_MODPROBE
 * without /etc/modprobe.d. Both have `path` and `remedy`. A system error (EACCES, EROFS, ENOSPC) of open, write, link
 * or unlink.
 * @example
 * const { changed, next } = migrateDeviceModel({ dryRun: true });
 */
export function migrateDeviceModel(options?: MigrateDeviceModelOptions): DeviceModelMigration {
	const given = requireOptions<MigrateDeviceModelOptions>('options', options, names);
	const { undo = false, dryRun = false, root } = given;
	requireBoolean('options.undo', undo);
	requireBoolean('options.dryRun', dryRun);
	const tree = treeOf(root);
	const { changed, path } = undo ? undone(tree, dryRun) : done(tree, dryRun);
	const model = modelOf(tree);
	const isStale = ({ hasModule, hasPolicy }: InitramfsImage) =>
		undo ? changed && hasPolicy !== false : hasModule !== false && hasPolicy !== true;
	const initramfs = initramfsImages(tree).filter(isStale);
	const isNothing = undo && !changed;
	return { changed, dryRun, path, model, initramfs, next: isNothing ? [] : next(tree, model, initramfs.length > 0) };
}
