// Which device of a dynamic region is the new one, on a model of the kernel. test/guest-device makes and removes them
// for real.
import { listRegions } from 'daxkind/device';
import { expect, test } from 'vitest';
import { plant } from '#lib/device/dynamic.js';
import { FakeKernel } from '../helpers/fake-kernel.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { type Entries, hmemDevice, makeTree } from '../helpers/tree.ts';

const owner = '/sys/devices/platform/hmem.0';

/** A device that has no driver. */
const idle = (name: string, size: string): Entries => ({
	[`${owner}/${name}/size`]: size,
	[`${owner}/${name}/subsystem`]: '-> /sys/bus/dax',
	[`/sys/bus/dax/devices/${name}`]: `-> ${owner}/${name}`,
});

/** Runs `plant` on a kernel that makes `made` and reports `said` as the name of what it made. */
function planting(others: Entries, made: Entries, said: string) {
	const root = makeTree(temporaryDirectory(), { ...hmemDevice(), ...others });
	const after = (path: string) =>
		path.endsWith('/create') && makeTree(root, { ...made, [`${owner}/dax_region/create`]: said });
	const kernel = new FakeKernel(root, [], { after });
	return plant(kernel.tree, kernel, listRegions({ root })[0]!);
}

test('the one that was made last, and not the seed, which may be somebody’s', async () => {
	const others = { ...idle('dax0.1', '268435456'), [`${owner}/dax_region/seed`]: 'dax0.1' };
	expect(await planting(others, idle('dax0.2', '0'), 'dax0.2')).toBe('dax0.2');
});

test('one that is there without memory and driver is taken', async () => {
	expect(await planting(idle('dax0.1', '0'), {}, '')).toBe('dax0.1');
});

test.each([
	['nothing', ''],
	['one that was there before', 'dax0.1'],
	['what there is not', 'dax0.9'],
	['no device at all', 'undefined'],
])('a kernel that names %s has made none that could be used', async (_, said) => {
	await expect(planting(idle('dax0.1', '268435456'), {}, said)).rejects.toMatchObject({
		code: 'ERR_DAXKIND_DEVICE_FAILED',
		path: 'hmem.0',
	});
});
