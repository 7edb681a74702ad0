// Says what mode a device will be in after a reboot. That depends on what daxctl's configuration says, whether this
// machine applies it, and what daxkind was asked to persist.
import { basename } from 'node:path';
import type { Tree } from '../tree.ts';
import type { DaxDevice } from './device.ts';
import { type DeviceLookOptions, treeFor } from './devices.ts';
import { requireDevice } from './find.ts';
import { identityOf, ruleOf, unitOf } from './persist.ts';

/** The mode of a device after a reboot. */
export interface DeviceBootMode {
	/**
	 * `unknown` where the kernel decides: newer kernels make system RAM of Soft Reserved and CXL memory by themselves.
	 */
	mode: 'devdax' | 'system-ram' | 'unknown';
	/** The reason for `mode`, as a sentence. */
	reason: string;
	/** The file that asks for a mode. Undefined if no file does. */
	configuration: string | undefined;
	/** Whether this machine does at boot what that file asks for. Undefined without such a file. */
	applied: boolean | undefined;
	/** What to do where a file asks for a mode in vain. */
	remedy: string | undefined;
}

/** A section of daxctl's configuration. */
interface Wanted {
	file: string;
	uuid: string;
	mode: string;
}

const configurations = '/etc/daxctl.conf.d';
const ruleDirectories = ['/etc/udev/rules.d', '/run/udev/rules.d', '/usr/lib/udev/rules.d', '/lib/udev/rules.d'];
const unitDirectories = [
	'/etc/systemd/system',
	'/run/systemd/system',
	'/usr/lib/systemd/system',
	'/lib/systemd/system',
];

/** A value without its quotes, and without the comment behind it. */
const withoutComment = (text: string): string => /^"([^"]*)"/.exec(text)?.[1] ?? text.replace(/\s*[;#].*$/, '');

/**
 * The sections [reconfigure-device NAME] of a configuration file of daxctl that name a device and a mode. It reads the
 * file as daxctl does (daxctl-reconfigure-device(1), -C): names are in any case, and comments may follow values. Pure.
 */
function parseConfiguration(file: string, text: string): Wanted[] {
	const sections: Record<string, string>[] = [];
	for (const raw of text.split('\n')) {
		const line = raw.trim();
		const [, verb] = /^\[\s*([\w-]+)(?:\s+[^\]]*)?\]/.exec(line) ?? [];
		if (verb !== undefined) sections.push({ verb: verb.toLowerCase() });
		const [, key, value] = /^([\w.-]+)\s*=\s*(.*)$/.exec(line) ?? [];
		if (key !== undefined && value !== undefined && sections.length > 0)
			sections.at(-1)![key.toLowerCase()] = withoutComment(value);
	}
	return sections
		.filter(({ verb }) => verb === 'reconfigure-device')
		.flatMap(({ 'nvdimm.uuid': uuid, mode }) => (uuid === undefined || !mode ? [] : [{ file, uuid, mode }]));
}

/** The first file with this name in some directories, and its text. */
function fileIn(tree: Tree, directories: readonly string[], name: string): { path: string; text: string } | undefined {
	for (const directory of directories) {
		const text = tree.read(`${directory}/${name}`).value;
		if (text !== undefined) return { path: `${directory}/${name}`, text };
	}
	return undefined;
}

const daxctlRule = '90-daxctl-device.rules';
const daxctlUnit = 'daxdev-reconfigure@.service';

/** Why daxctl's configuration is not applied at boot. Undefined if it is applied. */
function whyNotApplied(tree: Tree): string | undefined {
	const rule = fileIn(tree, ruleDirectories, daxctlRule);
	if (rule === undefined) return `no udev rule calls daxctl: there is no ${daxctlRule}`;
	const unit = fileIn(tree, unitDirectories, daxctlUnit);
	const rules = rule.text.replace(/^\s*#.*$/gm, '');
	const caller = rules.includes('daxdev-reconfigure@') ? unit : { path: rule.path, text: rules };
	if (caller === undefined) return `${rule.path} asks for ${daxctlUnit}, which does not exist`;
	// Debian 12's rule calls "daxctl -C". Only daxctl's command reconfigure-device has that option.
	if (/\bdaxctl\s+reconfigure-device\b/.test(caller.text)) return undefined;
	return `${caller.path} does not call "daxctl reconfigure-device"`;
}

/** Does what {@link modeAfterReboot} does, for a device of a tree. */
function bootModeOf(tree: Tree, device: DaxDevice): DeviceBootMode {
	const { id = '', uuid } = identityOf(tree, device) ?? {};
	const own = id === '' ? '' : (tree.read(unitOf(id)).value ?? '');
	const [, ownMode] = /--mode=(devdax|system-ram)/.exec(own) ?? [];
	if (ownMode !== undefined && tree.read(ruleOf(id)).value !== undefined) {
		const reason = `${ruleOf(id)} and ${basename(unitOf(id))} set it at each boot`;
		return { mode: ownMode as 'devdax', reason, configuration: unitOf(id), applied: true, remedy: undefined };
	}
	const hasRules = tree.list('/etc/udev/rules.d').some((name) => name.includes('-daxkind-0x'));
	if (id === '' && hasRules) {
		const reason = `daxkind's rules name devices by their addresses, and only root can read the address of ${device.name}`;
		return { mode: 'unknown', reason, configuration: undefined, applied: undefined, remedy: undefined };
	}
	const isNvdimm = device.namespace !== undefined;
	const usual: Pick<DeviceBootMode, 'mode' | 'reason'> = isNvdimm
		? { mode: 'devdax', reason: 'the kernel gives an nvdimm namespace in devdax mode to the driver device_dax' }
		: { mode: 'unknown', reason: 'the kernel decides: newer kernels make such memory system RAM by themselves' };
	const wanted = tree
		.list(configurations)
		.filter((name) => name.endsWith('.conf'))
		.map((name) => `${configurations}/${name}`)
		.flatMap((path) => parseConfiguration(path, tree.read(path).value ?? ''))
		.find((section) => section.uuid === uuid);
	if (wanted === undefined) return { ...usual, configuration: undefined, applied: undefined, remedy: undefined };
	const why = whyNotApplied(tree);
	const mode = wanted.mode === 'devdax' || wanted.mode === 'system-ram' ? wanted.mode : undefined;
	if (mode === undefined) {
		const reason = `${wanted.file} asks for ${wanted.mode}, which is neither devdax nor system-ram`;
		const applied = why === undefined;
		return { mode: applied ? 'unknown' : usual.mode, reason, configuration: wanted.file, applied, remedy: undefined };
	}
	if (why === undefined) {
		return { mode, reason: `${wanted.file} says so`, configuration: wanted.file, applied: true, remedy: undefined };
	}
	return {
		mode: usual.mode,
		reason: `${wanted.file} asks for ${wanted.mode}, but ${why}`,
		configuration: wanted.file,
		applied: false,
		remedy: `daxkind reconfigure-device --mode=${mode} --persist ${device.name}`,
	};
}

/**
 * Says what mode a device will be in after a reboot. First comes what `reconfigureDeviceAsync` was asked to persist,
 * then daxctl's configuration (/etc/daxctl.conf.d) if this machine applies it at boot, and else the kernel decides. It
 * only reads files.
 *
 * @param device dax0.0, or its node.
 * @param options `root`: a directory that holds the sys, etc and lib of another machine, or of an image.
 * @throws Error ERR_DAXKIND_NO_DEVICE.
 */
export function modeAfterReboot(device: string, options?: DeviceLookOptions): DeviceBootMode {
	const tree = treeFor(options);
	return bootModeOf(tree, requireDevice(tree, device, { hasMemory: false }));
}
