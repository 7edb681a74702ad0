// Says which of the kernel's two models of device-DAX devices a machine has, and will have. On the bus /sys/bus/dax
// devices have drivers, and so can become system RAM. The older model is the class /sys/class/dax, which module
// dax_pmem_compat kept alive from 5.1 to 5.16.
import { basename } from 'node:path';
import type { Tree } from '../tree.ts';
import { type DeviceLookOptions, deviceDirectories, treeFor } from './devices.ts';
import { isClassDevice } from './origin.ts';

/** A value, and where it was read. */
export interface DeviceModelEvidence {
	value: string;
	source: string;
}

/** Which device model there is, and what is to be done about it. */
export interface DeviceModel {
	/**
	 * The model that devices are in now, or would be in. `class` if a device is in the class, or the kernel has no bus.
	 * `none` if the kernel has no device DAX, or its modules are not loaded.
	 */
	model: 'bus' | 'class' | 'none';
	/**
	 * Whether a migration from the class to the bus is needed. `pending`: it is done, except for a reboot or a reload of
	 * the modules.
	 */
	migration: 'not-needed' | 'wanted' | 'pending' | 'done';
	/** The reason, as a sentence. */
	reason: string;
	/** What to do next. Undefined if there is nothing to do. */
	remedy: string | undefined;
	/** The file of modprobe's configuration that keeps the old module out. Undefined if there is no such file. */
	policy: string | undefined;
	/** What was read, and where. */
	evidence: DeviceModelEvidence[];
}

/** The module that makes class devices, and the one that makes those of the bus. */
export const oldModule = 'dax_pmem_compat';
export const newModule = 'dax_pmem';
/**
 * The alias by which the kernel asks for a module when it finds a device-DAX namespace: ND_DEVICE_DAX_PMEM is type 7
 * (include/uapi/linux/ndctl.h).
 */
export const alias = 'nd:t7*';

/** The directories in which modprobe looks, in its order (modprobe.d(5)). */
export const policyDirectories = [
	'/etc/modprobe.d',
	'/run/modprobe.d',
	'/usr/local/lib/modprobe.d',
	'/usr/lib/modprobe.d',
	'/lib/modprobe.d',
];

/** modprobe treats - and _ alike. */
const moduleName = (name: string | undefined) => name?.replaceAll('-', '_');

/** Whether a file of modprobe's keeps the old module out and puts the new one in its place. */
export function isPolicy(text: string): boolean {
	const lines = text
		.replaceAll(/\\\n/g, ' ')
		.split('\n')
		.map((line) => line.trim().split(/\s+/));
	const blocks = lines.some(([verb, name]) => verb === 'blacklist' && moduleName(name) === oldModule);
	const puts = lines.some(([verb, what, name]) => verb === 'alias' && what === alias && moduleName(name) === newModule);
	return blocks && puts;
}

/** The policy that is in effect for modprobe. Undefined if there is no policy. */
function policyIn(tree: Tree): string | undefined {
	const seen = new Set<string>();
	for (const directory of policyDirectories) {
		for (const name of tree.list(directory)) {
			// A file hides the files with the same name in later directories.
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

/** Does what {@link deviceModel} does, for a tree. */
export function modelOf(tree: Tree): DeviceModel {
	const facts = factsOf(tree);
	const { hasBus, hasClass, isLoaded, kernels, policy, names } = facts;
	const count = (model: 'bus' | 'class') => (names[model].length === 1 ? '1 device' : `${names[model].length} devices`);
	const evidence: DeviceModelEvidence[] = [
		{ value: hasBus ? `there, ${count('bus')}` : 'not there', source: '/sys/bus/dax' },
		{ value: hasClass ? `there, ${count('class')}` : 'not there', source: '/sys/class/dax' },
		{ value: isLoaded ? 'loaded' : 'not loaded', source: `/sys/module/${oldModule}` },
		{ value: kernels.length === 0 ? 'in no kernel' : `in ${kernels.join(', ')}`, source: `modules.dep, ${oldModule}` },
		{ value: policy ?? 'none', source: `policy of modprobe (blacklist ${oldModule}, alias ${alias} ${newModule})` },
	];
	const model = names.class.length > 0 || (hasClass && !hasBus) ? 'class' : hasBus ? 'bus' : 'none';
	return { model, policy, evidence, ...(model === 'class' ? judgedClass(facts) : judgedOthers(model, facts)) };
}

interface Facts extends Pick<DeviceModel, 'policy'> {
	hasBus: boolean;
	hasClass: boolean;
	/** Whether the old module is loaded. It takes the next namespace that is found. */
	isLoaded: boolean;
	/** The kernels that have the old module. */
	kernels: string[];
	/** The devices of each model. */
	names: Record<'bus' | 'class', string[]>;
}

function factsOf(tree: Tree): Facts {
	const devices = deviceDirectories(tree);
	const names = (isClass: boolean) =>
		devices.filter((directory) => isClassDevice(tree, directory) === isClass).map((directory) => basename(directory));
	return {
		hasBus: tree.isDirectory('/sys/bus/dax'),
		hasClass: tree.isDirectory('/sys/class/dax'),
		isLoaded: tree.isDirectory(`/sys/module/${oldModule}`),
		kernels: kernelsWithOldModule(tree),
		policy: policyIn(tree),
		names: { bus: names(false), class: names(true) },
	};
}

type Judgement = Pick<DeviceModel, 'migration' | 'reason' | 'remedy'>;

const migrate = 'daxkind migrate-device-model';

function judgedClass({ hasBus, policy, names: { class: names } }: Facts): Judgement {
	const they = names.length === 0 ? 'device-DAX devices' : names.join(', ');
	if (!hasBus) {
		return {
			migration: 'wanted',
			reason: `${they} can only be mapped: this kernel has no /sys/bus/dax, because it is older than 5.1 or was built without it`,
			remedy: `boot a kernel of 5.1 or later${policy === undefined ? `, and if that has the module ${oldModule}: ${migrate}` : ''}`,
		};
	}
	const what = `${they} can only be mapped, because the module ${oldModule} made ${names.length === 1 ? 'it' : 'them'} in the class /sys/class/dax`;
	if (policy === undefined) return { migration: 'wanted', reason: what, remedy: migrate };
	const reason = `${what}; ${policy} keeps that module out when modules are loaded the next time`;
	return { migration: 'pending', reason, remedy: 'reboot' };
}

function judgedOthers(model: 'bus' | 'none', { policy, isLoaded, kernels }: Facts): Judgement {
	const loaded = `the module ${oldModule} is loaded, and puts the next device that is found into the class`;
	if (policy !== undefined) {
		return isLoaded
			? {
					migration: 'pending',
					reason: `${loaded}; ${policy} keeps the module out the next time`,
					remedy: `rmmod ${oldModule}, or reboot`,
				}
			: { migration: 'done', reason: `${policy} keeps the module ${oldModule} out`, remedy: undefined };
	}
	if (isLoaded || kernels.length > 0) {
		const has = `the module ${oldModule} of kernel ${kernels.join(', ')} may put the devices into the class at the next boot`;
		return { migration: 'wanted', reason: isLoaded ? loaded : has, remedy: migrate };
	}
	return {
		migration: 'not-needed',
		reason:
			model === 'bus'
				? `devices are on the bus, and no kernel here has the module ${oldModule}`
				: 'the kernel has no device DAX, or has not loaded its modules, because it has found no device',
		remedy: undefined,
	};
}

/**
 * Says which model of device-DAX devices the kernel has, and whether a migration to the bus is wanted. It looks in
 * /sys, in modules.dep of each kernel and in modprobe's configuration, on the calling thread. It needs no privileges,
 * starts no process and changes nothing.
 *
 * @param options `root`: a directory that holds the sys, etc and lib of another machine, or of an image.
 * @throws As {@link listDevices}.
 * @example
 * const { model, migration, reason } = deviceModel();
 */
export function deviceModel(options?: DeviceLookOptions): DeviceModel {
	return modelOf(treeFor(options));
}
