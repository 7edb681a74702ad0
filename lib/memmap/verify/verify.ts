// Goes through everything that has to be in order after a boot with memmap=, from the kernel's command line to DAX.
import { attempt } from '../../attempt.ts';
import { byStart, sizeOf } from '../../byte-ranges.ts';
import { invalidArgType, invalidArgValue } from '../../errors.ts';
import { machine, type Tree } from '../../tree.ts';
import { requireArgument } from '../boot/argument.ts';
import type { MemmapPlan } from '../plan.ts';
import { type MemmapRegion, memmapArgument, rangeOf, regionOf } from '../regions.ts';
import { type Expected, type Judgement, links, type MemmapCheck, type MemmapLink, nameOf } from './check.ts';
import { type Facts, factsOf } from './facts.ts';
import { type FormatLines, formatLines } from './format.ts';
import {
	commandLineLink,
	driverLink,
	kaslrLink,
	memoryLink,
	persistentEntries,
	persistentIn,
	rangeLink,
} from './judge-kernel.ts';
import { alignmentLink, deviceLink, regionOf as emulatedRegionOf, namespaceLink, regionLink } from './judge-region.ts';
import { daxLink, fileSystemLink, mountLink, unknownMount } from './judge-use.ts';
import { type Asking, mountsOf, thisMachine } from './use.ts';

/** What was found about one range. */
export interface EmulatedDevice extends MemmapRegion {
	/** `4G!4G`. */
	entry: string;
	/** The names that ndctl has for them: region0, namespace0.0. Undefined if they do not exist, or are not known. */
	region: string | undefined;
	namespace: string | undefined;
	/** /dev/pmem0, or in devdax mode, a device-DAX device. */
	device: string | undefined;
	/**
	 * The file system that is mounted, or else what blkid finds: `ext4`, `xfs`… Undefined if there is nothing, or it is
	 * not known.
	 */
	fileSystem: string | undefined;
	/** Where it is mounted. If there are several places, it is one with DAX. Undefined if it is not mounted. */
	mountPoint: string | undefined;
	/**
	 * Whether a file that is made there is on DAX. True if it is a device-DAX device. Undefined where it is not known, or
	 * not mounted.
	 */
	dax: boolean | undefined;
	/** The commands that format and mount it. Empty if it is mounted, or is no disk. */
	format: FormatLines[];
}

/** Whether emulated persistent memory is there as planned, and usable with DAX. */
export interface MemmapVerification {
	/**
	 * Whether everything is in order, up to DAX. False if a link is broken. Undefined if no link is broken, but one is
	 * not known.
	 */
	ok: boolean | undefined;
	/** What was looked for: `memmap=4G!4G`. Undefined if there was nothing to look for. */
	argument: string | undefined;
	/**
	 * The first broken link, as a clause. If no link is broken, it is the first that is not known. Absent if `ok` is
	 * true.
	 */
	reason?: string;
	/** What to do about it, often a command. Absent if `ok` is true, or if nothing is known to help. */
	remedy?: string;
	/**
	 * The links in their order, each for every range: command line, memory, range, KASLR, driver, region, namespace,
	 * device, alignment, file system, mount, DAX. Once a link of a range is broken, the later links of that range are not
	 * looked at.
	 */
	checks: MemmapCheck[];
	/** One for each range, lowest first. */
	devices: EmulatedDevice[];
}

/**
 * The ranges to look for: those that the caller planned, or else those that the running kernel has and those that the
 * boot configuration will give to the next one.
 */
function expectedOf(plan: unknown, { boot, pending }: Facts): Expected[] {
	if (plan === undefined) {
		const configured = pending.configured.flatMap(({ words }) => persistentIn(words));
		return [...persistentEntries(boot), ...configured];
	}
	if (typeof plan === 'string') {
		const entries = persistentIn(requireArgument(plan));
		if (entries.length === 0) throw invalidArgValue('plan', 'an argument with memmap=SIZE!START', plan);
		return entries;
	}
	const regions: unknown = (plan as Partial<MemmapPlan> | null)?.regions;
	if (!Array.isArray(regions)) throw invalidArgType('plan', 'a plan or of type string', plan);
	if (regions.length === 0) throw invalidArgValue('plan', 'a plan that is possible', plan);
	return (regions as MemmapRegion[]).map(rangeOf);
}

/** Each range once, lowest first. */
function distinct(ranges: readonly Expected[]): Expected[] {
	const named = new Map(ranges.map(({ start, end }) => [`${start} ${end}`, { start, end }]));
	return [...named.values()].filter((range) => sizeOf(range) > 0).sort(byStart);
}

/** The links of one range, up to the first broken one, and what was found on the way. */
function chainOf(tree: Tree, facts: Facts, expected: Expected, isDriven: boolean, asking: Asking) {
	const entry = nameOf(expected);
	const device: EmulatedDevice = {
		...regionOf(expected),
		entry,
		region: undefined,
		namespace: undefined,
		device: undefined,
		fileSystem: undefined,
		mountPoint: undefined,
		dax: undefined,
		format: [],
	};
	const checks: MemmapCheck[] = [];
	/** Adds a link. Returns whether the chain goes on. */
	const goesOn = (link: MemmapLink, judgement: Judgement): boolean => {
		checks.push({ link, entry, ...judgement });
		return judgement.verdict !== 'broken';
	};
	const follow = () => {
		if (!goesOn('command line', commandLineLink(expected, facts))) return;
		if (!goesOn('memory', memoryLink(expected, facts))) return;
		if (!goesOn('range', rangeLink(expected, facts)) || !isDriven) return;
		const region = emulatedRegionOf(expected, facts);
		if (!goesOn('region', regionLink(expected, facts)) || region === undefined) return;
		const { namespace } = region;
		device.region = region.name;
		device.namespace = namespace?.name;
		if (!goesOn('namespace', namespaceLink(expected, region)) || namespace === undefined) return;
		const { disk, daxDevice } = namespace;
		device.device = daxDevice === undefined ? disk?.path : `/dev/${daxDevice}`;
		if (!goesOn('device', deviceLink(region, namespace, facts))) return;
		if (!goesOn('alignment', alignmentLink(expected))) return;
		if (disk === undefined) {
			device.dax = true;
			return;
		}
		const { value: mounts, error } = attempt(() => mountsOf(tree, disk.name, asking));
		// Nor is it known then whether mkfs would destroy a file system that is in use.
		if (mounts === undefined) {
			goesOn('mount', unknownMount(disk, error));
			return;
		}
		const [best] = mounts;
		const content = best === undefined ? asking.contentOf(disk.path) : { type: best.mount.fsType, isKnown: true };
		device.fileSystem = content.type;
		if (best === undefined) device.format = formatLines(disk, content.type !== undefined);
		if (!goesOn('file system', fileSystemLink(disk, content, mounts, device.format))) return;
		// This user cannot see whether the disk has a file system. So mounting it is not certain to be the next step.
		if (!content.isKnown) return;
		if (!goesOn('mount', mountLink(disk, mounts, device.format)) || best === undefined) return;
		device.mountPoint = best.mount.mountPoint;
		device.dax = best.explanation?.dax;
		goesOn('DAX', daxLink(best));
	};
	follow();
	return { checks, device };
}

/** Does what {@link verifyMemmap} does, for the machine whose files are in a tree, and that `asking` asks. */
export function verifyIn(tree: Tree, plan: unknown, asking: Asking): MemmapVerification {
	const facts = factsOf(tree);
	const expected = distinct(expectedOf(plan, facts));
	if (expected.length === 0) {
		const finding = "there is no memmap=SIZE!START on the kernel's command line";
		const evidence = [{ value: facts.boot?.commandLine ?? 'unreadable', source: '/proc/cmdline' }];
		const remedy = 'let daxkind memmap plan find a range, for example: daxkind memmap plan --size 4G';
		const check: MemmapCheck = { link: 'command line', entry: undefined, verdict: 'broken', finding, evidence, remedy };
		return { ok: false, argument: undefined, reason: finding, remedy, checks: [check], devices: [] };
	}
	const driver = driverLink(expected, facts);
	const chains = expected.map((range) => chainOf(tree, facts, range, driver.verdict !== 'broken', asking));
	const ofAll: MemmapCheck[] = [
		{ link: 'KASLR', entry: undefined, ...kaslrLink(expected, facts) },
		{ link: 'driver', entry: undefined, ...driver },
	];
	// A range that the kernel was not told of, or must not have, needs neither KASLR nor drivers.
	const hasRanges = chains.some(({ checks }) =>
		checks.some(({ link, verdict }) => link === 'range' && verdict !== 'broken'),
	);
	const found = [...chains.flatMap(({ checks }) => checks), ...(hasRanges ? ofAll : [])];
	const checks = found.sort((one, other) => links.indexOf(one.link) - links.indexOf(other.link));
	const first = (verdict: MemmapCheck['verdict']) => checks.find((check) => check.verdict === verdict);
	const isProven = chains.every(({ device }) => device.dax === true);
	const decisive = first('broken') ?? (isProven ? undefined : first('unknown'));
	return {
		ok: first('broken') !== undefined ? false : isProven ? true : undefined,
		argument: memmapArgument(expected.map(regionOf)),
		...(decisive !== undefined && { reason: decisive.finding }),
		...(decisive?.remedy !== undefined && { remedy: decisive.remedy }),
		checks,
		devices: chains.map(({ device }) => device),
	};
}

/**
 * Goes through everything that has to be in order after a boot with `memmap=SIZE!START`: the kernel's command line;
 * whether the range is memory in the firmware's table; what the kernel made of it; KASLR; the drivers nd_e820 and
 * nd_pmem; region, namespace and disk; alignment; and then file system, mount and DAX, which explain() judges. The
 * answer is the first broken link, with what fixes it.
 *
 * It reads /proc and sysfs, asks blkid(8) what is on a disk that is not mounted, and looks at mounts as explain() does.
 * It blocks the thread until that is done. It works without root, but only root sees addresses and what is on disks. It
 * changes nothing, and runs none of the commands that it gives.
 *
 * @param plan The plan, or its argument: `memmap=4G!4G`. Default: what is on the kernel's command line, and what the
 * boot configuration has for the next boot.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; ERR_DAXKIND_NOT_X86 on another architecture.
 * @example
 * const { ok, reason, remedy } = verifyMemmap('memmap=4G!4G');
 * if (!ok) console.error(`${reason}. ${remedy ?? ''}`);
 */
export const verifyMemmap = (plan?: Pick<MemmapPlan, 'regions'> | string): MemmapVerification =>
	verifyIn(machine, plan, thisMachine);
