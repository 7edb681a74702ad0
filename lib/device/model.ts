// The kernel's two models of device-DAX devices: the bus /sys/bus/dax, whose devices have drivers and so can become system RAM, and the
// older class /sys/class/dax, which module dax_pmem_compat kept alive from 5.1 to 5.16. Which of them a machine has, and will have.
import { deviceDirectories, type LookOptions, treeFor } from './devices.ts';
import type { Tree } from './tree.ts';

/** A value, and where it was read. */
export interface DeviceModelEvidence {
	value: string;
	source: string;
}

/** Which device model there is, and what is to be done about it. */
export interface DeviceModel {
	/** The model that devices are in now: `class`, if one of them is; `none` where the kernel has no device DAX, or its modules are not loaded. */
	model: 'bus' | 'class' | 'none';
	/**
	 * Whether a migration from the class to the bus is `not-needed`; `wanted`; `pending`, done but for a reboot or a reload of modules; or
	 * `done`.
	 */
	migration: 'not-needed' | 'wanted' | 'pending' | 'done';
	/** Why, as a sentence. */
	reason: string;
	/** What to do next; undefined if nothing. */
	remedy: string | undefined;
	/** The file of modprobe's configuration that makes the old module stay out; undefined if there is none. */
	policy: string | undefined;
	/** What was read, and where. */
	evidence: DeviceModelEvidence[];
}

/** The module that makes class devices, and the one that makes those of the bus. */
export const oldModule = 'dax_pmem_compat';
export const newModule = 'dax_pmem';
/** What the kernel asks for when it finds a device-DAX namespace: ND_DEVICE_DAX_PMEM is type 7 (include/uapi/linux/ndctl.h). */
export const alias = 'nd:t7*';

/** Where modprobe looks, the first first (modprobe.d(5)). */
const policyDirectories = [
	'/etc/modprobe.d',
	'/run/modprobe.d',
	'/usr/local/lib/modprobe.d',
	'/usr/lib/modprobe.d',
	'/lib/modprobe.d',
];

/** modprobe takes - and _ for the same. */
const moduleName = (name: string | undefined) => name?.replaceAll('-', '_');

/** Whether a file of modprobe's keeps the old module out and puts the new one in its place. */
function isPolicy(text: string): boolean {
	const lines = text
		.replaceAll(/\\\n/g, ' ')
		.split('\n')
		.map((line) => line.trim().split(/\s+/));
	const blocks = lines.some(([verb, name]) => verb === 'blacklist' && moduleName(name) === oldModule);
	const puts = lines.some(([verb, what, name]) => verb === 'alias' && what === alias && moduleName(name) === newModule);
	return blocks && puts;
}

/** The policy that is in effect for modprobe; undefined if there is none. */
function policyIn(tree: Tree): string | undefined {
	const seen = new Set<string>();
	for (const directory of policyDirectories) {
		for (const name of tree.list(directory)) {
			// A file hides those of its name in later directories.
			if (!name.endsWith('.conf') || seen.has(name)) continue;
			seen.add(name);
			if (isPolicy(tree.read(`${directory}/${name}`).value ?? '')) return `${directory}/${name}`;
		}
	}
	return undefined;
}

/** The kernels that have the old module. */
function kernelsWithOldModule(tree: Tree): string[] {
	return tree.list('/lib/modules').filter((release) => {
		const files = tree.read(`/lib/modules/${release}/modules.dep`).value ?? '';
		return new RegExp(`/${oldModule}\\.ko[.:]`).test(files.replaceAll('-', '_'));
	});
}

/** {@link deviceModel} of a tree. */
export function modelOf(tree: Tree): DeviceModel {
	const hasBus = tree.isDirectory('/sys/bus/dax');
	const classDevices = tree.list('/sys/class/dax').filter((name) => /^dax\d+\.\d+$/.test(name));
	const devices = deviceDirectories(tree).length;
	const policy = policyIn(tree);
	const kernels = kernelsWithOldModule(tree);
	const isLoaded = tree.isDirectory(`/sys/module/${oldModule}`);
	const model = classDevices.length > 0 ? 'class' : hasBus ? 'bus' : 'none';
	const evidence: DeviceModelEvidence[] = [
		{ value: hasBus ? `there, ${devices - classDevices.length} devices` : 'not there', source: '/sys/bus/dax' },
		{
			value: tree.isDirectory('/sys/class/dax') ? `there, ${classDevices.length} devices` : 'not there',
			source: '/sys/class/dax',
		},
		{ value: isLoaded ? 'loaded' : 'not loaded', source: `/sys/module/${oldModule}` },
		{ value: kernels.length === 0 ? 'in no kernel' : `in ${kernels.join(', ')}`, source: `modules.dep, ${oldModule}` },
		{ value: policy ?? 'none', source: `policy of modprobe (blacklist ${oldModule}, alias ${alias} ${newModule})` },
	];
	return { model, policy, evidence, ...judged({ model, hasBus, policy, kernels, classDevices }) };
}

interface Facts extends Pick<DeviceModel, 'model' | 'policy'> {
	hasBus: boolean;
	kernels: string[];
	classDevices: string[];
}

function judged({
	model,
	hasBus,
	policy,
	kernels,
	classDevices,
}: Facts): Pick<DeviceModel, 'migration' | 'reason' | 'remedy'> {
	const migrate = 'daxkind migrate-device-model';
	if (model === 'class' && !hasBus) {
		return {
			migration: 'wanted',
			reason: `${classDevices.join(', ')} can only be mapped: this kernel has no /sys/bus/dax, because it is older than 5.1 or was built without it`,
			remedy: `boot a kernel of 5.1 or later${policy === undefined ? `, and if that has the module ${oldModule}: ${migrate}` : ''}`,
		};
	}
	if (model === 'class') {
		const what = `${classDevices.join(', ')} can only be mapped, because the module ${oldModule} made ${classDevices.length === 1 ? 'it' : 'them'} in the class /sys/class/dax`;
		return policy === undefined
			? { migration: 'wanted', reason: what, remedy: migrate }
			: {
					migration: 'pending',
					reason: `${what}; ${policy} keeps that out from the next time on that modules are loaded`,
					remedy: 'reboot',
				};
	}
	if (policy !== undefined) {
		return { migration: 'done', reason: `${policy} keeps the module ${oldModule} out`, remedy: undefined };
	}
	if (kernels.length > 0) {
		return {
			migration: 'wanted',
			reason: `the kernel ${kernels.join(', ')} has the module ${oldModule}, which may take the devices for the class at the next boot`,
			remedy: migrate,
		};
	}
	return {
		migration: 'not-needed',
		reason:
			model === 'bus'
				? `devices are on the bus, and no kernel here has the module ${oldModule}`
				: 'there is no device DAX: the kernel has none, or its modules are not loaded, which happens when it finds a device',
		remedy: undefined,
	};
}

/**
 * Which model of device-DAX devices the kernel has, and whether a migration to the bus is wanted. It looks in /sys, in the kernels'
 * modules.dep and in modprobe's configuration, needs no privileges, starts no process and changes nothing.
 *
 * @param options `root`: a directory that holds the sys, etc and lib of another machine, or of an image.
 * @throws As {@link listDevices}.
 * @example
 * const { model, migration, reason } = deviceModel();
 */
export function deviceModel(options?: LookOptions): DeviceModel {
	return modelOf(treeFor(options));
}
