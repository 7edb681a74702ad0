// The links from a range to its disk: region, namespace, block device, alignment.

import { sizeOf } from '../../byte-ranges.ts';
import { formatSize } from '../../size.ts';
import { subsection } from '../regions.ts';
import { formatSpan } from '../words.ts';
import { type Expected, type Judgement, judged, nameOf } from './check.ts';
import type { Facts } from './facts.ts';
import { persistentEntries } from './judge-kernel.ts';
import type { EmulatedNamespace, EmulatedRegion } from './regions.ts';

const sysfs = '/sys/bus/nd/devices';

const span = (bytes: number | undefined) => (bytes === undefined ? 'unknown size' : formatSpan(bytes));

const described = ({ name, start, size }: EmulatedRegion) =>
	`${name}: ${span(size)}${start === undefined ? '' : ` at ${formatSpan(start)}`}`;

/**
 * The region of a range. The kernel numbers regions by address. So a user who may not see addresses knows the region by
 * its place in that order.
 */
export function regionOf(expected: Expected, { boot, regions }: Facts): EmulatedRegion | undefined {
	if (regions.every(({ start }) => start !== undefined)) return regions.find(({ start }) => start === expected.start);
	const entries = persistentEntries(boot).sort((one, other) => one.start - other.start);
	if (entries.length !== regions.length) return undefined;
	return regions[entries.findIndex(({ start }) => start === expected.start)];
}

/** Judges whether the kernel made a region of the whole range. */
export function regionLink(expected: Expected, facts: Facts): Judgement {
	const { regions } = facts;
	const name = nameOf(expected);
	const region = regionOf(expected, facts);
	const all = regions.map((one) => ({ value: described(one), source: sysfs }));
	const isHidden = regions.some(({ start }) => start === undefined);
	if (region === undefined && isHidden) {
		const finding = `only root can see which region belongs to ${name}`;
		return judged('unknown', finding, all, 'run as root');
	}
	if (region === undefined || region.size !== sizeOf(expected)) {
		const finding =
			region === undefined
				? `the kernel made no region of ${name}`
				: `the kernel's ${region.name} has another size than ${name}: ${span(region.size)}`;
		const evidence = all.length > 0 ? all : [{ value: 'no region of the e820 table', source: sysfs }];
		return judged(
			'broken',
			finding,
			evidence,
			'see what the kernel says about it: dmesg | grep -e e820 -e nd_ -e pmem',
		);
	}
	const evidence = [{ value: described(region), source: `${sysfs}/${region.name}` }];
	if (region.enabled) return judged('ok', `the kernel made ${region.name} of ${name}`, evidence);
	return judged('broken', `${region.name} is disabled`, evidence, `ndctl enable-region ${region.name}`);
}

/** Says which end of a range is not at a multiple of a subsection. The kernel cannot map such a range. */
function misalignment({ start, end }: Expected): string | undefined {
	const isBeginning = start % subsection !== 0;
	if (!isBeginning && end % subsection === 0) return undefined;
	return `it ${isBeginning ? 'begins' : 'ends'} at ${formatSize(isBeginning ? start : end)}, which is not a multiple of 2 MiB`;
}

const owner = ({ name }: EmulatedNamespace) => `${sysfs}/${name}`;

/** Judges whether a driver has the namespace, in a mode that can do DAX. */
export function namespaceLink(expected: Expected, { name: region, namespace }: EmulatedRegion): Judgement {
	if (namespace === undefined) {
		return judged('broken', `${region} has no namespace`, [{ value: 'none', source: `${sysfs}/${region}` }]);
	}
	const { name, mode } = namespace;
	if (mode === undefined) {
		const misaligned = misalignment(expected);
		const evidence = [{ value: 'no driver', source: owner(namespace) }];
		if (misaligned === undefined) {
			return judged('broken', `${name} is disabled`, evidence, `ndctl enable-namespace ${name}`);
		}
		const finding = `${name} is disabled, because the kernel cannot map it: ${misaligned}`;
		return judged('broken', finding, evidence, 'plan it again: daxkind memmap plan');
	}
	const evidence = [{ value: mode, source: `mode of ${name}, in ${sysfs}` }];
	if (mode === 'fsdax' || mode === 'devdax') return judged('ok', `${name} is in ${mode} mode`, evidence);
	const fix = `ndctl create-namespace --force --reconfig=${name} --mode=fsdax, which destroys its contents`;
	return judged('broken', `${name} is in ${mode} mode, which has no DAX`, evidence, fix);
}

/** The place of a region among all, by address. */
function order(region: EmulatedRegion, regions: readonly EmulatedRegion[]): string {
	const sorted = [...regions].sort((one, other) => (one.start ?? one.number) - (other.start ?? other.number));
	return `${sorted.indexOf(region) + 1} of ${regions.length} by address`;
}

/** Judges whether there is a disk, or a device-DAX device, of the right size. */
export function deviceLink(
	region: EmulatedRegion,
	namespace: EmulatedNamespace,
	{ regions }: Pick<Facts, 'regions'>,
): Judgement {
	const { disk, daxDevice, hasInfoBlock, name } = namespace;
	const place = { value: order(region, regions), source: `numbers of the regions in ${sysfs}` };
	if (namespace.mode === 'devdax') {
		if (daxDevice === undefined) {
			const finding = `${name} is in devdax mode, but it has no device`;
			return judged('broken', finding, [place], 'modprobe device_dax dax_pmem');
		}
		return judged('ok', `it is the device-DAX device /dev/${daxDevice}, which needs no file system`, [place]);
	}
	if (disk === undefined) return judged('broken', `${name} has no disk`, [place], 'modprobe nd_pmem');
	const { path, size, hasNode } = disk;
	const evidence = [{ value: span(size), source: `size of ${disk.name}, in /sys/class/block` }, place];
	if (!hasNode) {
		const finding = `the kernel has the disk ${disk.name}, but there is no node ${path}, as in a container`;
		return judged('broken', finding, evidence, 'give the container that device, or run this outside it');
	}
	if (size === region.size) return judged('ok', `its disk is ${path}, with all ${span(size)}`, evidence);
	const finding = `its disk ${path} has ${span(size)}, and ${region.name} has ${span(region.size)}`;
	if (hasInfoBlock) return judged('ok', `${finding}: ndctl's information block takes the rest`, evidence);
	return judged('warning', finding, evidence);
}

/** Judges whether huge pages can be mapped. */
export function alignmentLink(expected: Expected): Judgement {
	const misaligned = misalignment(expected);
	const evidence = [{ value: nameOf(expected), source: 'start and size' }];
	if (misaligned === undefined) {
		return judged('ok', 'it begins and ends at multiples of 2 MiB, so huge pages can be mapped', evidence);
	}
	return judged('broken', misaligned, evidence, 'plan it again: daxkind memmap plan');
}
