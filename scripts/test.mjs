// npm test: runs the unit tests on this machine, then the VM suite on real DAX in three guests, and adds up the counts.
// Arguments go to vitest (`npm test -- -t 'a name'`, `npm test -- test/kind`). `--project unit` or `vm` runs only that
// one. With `--yes`, root installs the packages that are missing, as with CI=true.
import { bootstrap } from './bootstrap.mjs';
import { isCI } from './packages.mjs';
import { shareDirectory } from './share.mjs';
import { main, run, StepError, tool } from './steps.mjs';
import { countTests, requireTests, sumOf, textOf, vitest } from './vitest.mjs';

/** Every file system that has DAX, a mount without it, and raw devices. */
const disks = [
	['--pmem', '512M', '--fs', 'ext4', '--mount', 'dax=always'],
	['--pmem', '512M', '--fs', 'xfs', '--mount', 'dax=always'],
	['--pmem', '256M', '--fs', 'ext4', '--mount', 'dax=never'],
	['--pmem', '128M', '--fs', 'ext2', '--mount', 'dax=always'],
	['--pmem', '64M', '--fs', 'erofs', '--mount', 'dax=always'],
	['--pmem', '512M', '--fs', 'none', '--mount', 'dax=always'],
	['--nvdimm', '128M'],
];

/**
 * The guests, each with the vitest project that runs in it. test/helpers/guest.ts has names for their devices. The time
 * limit is an hour: on a busy machine, the guests together take several times as long as each alone.
 */
const guests = [
	{
		// The DAX state of files, and the commands.
		project: 'vm',
		options: [...disks, ['--virtio-pmem', '128M']],
		isSharing: true,
	},
	{
		// Kinds, mappings and bad blocks. They have a guest of their own, because they take as long as the rest.
		project: 'vm-memory',
		options: disks,
	},
	{
		// Device DAX of every sort. It has a guest of its own, because it needs NUMA nodes and other numbers of pmem
		// devices.
		project: 'vm-device',
		options: [
			['--pmem', '64M', '--fs', 'none'],
			['--devdax', '384M', '--devdax', '64M', '--hmem', '256M', '--cxl', '256M'],
		],
	},
];

/** Separates `--project NAME` from the arguments for vitest. */
function parse(args) {
	const projects = new Set();
	const rest = [];
	for (let i = 0; i < args.length; i++) {
		const match = /^--project(?:=(.*))?$/.exec(args[i]);
		if (match) projects.add(match[1] ?? args[++i]);
		else rest.push(args[i]);
	}
	for (const name of projects) {
		if (name !== 'unit' && name !== 'vm') throw new StepError(`--project must be unit or vm, not ${name}`);
	}
	return { projects: projects.size > 0 ? projects : new Set(['unit', 'vm']), isChosen: projects.size > 0, rest };
}

async function runInGuest({ project, options, isSharing }, args, reading) {
	const share = isSharing ? await shareDirectory() : { options: [], remove: () => {} };
	try {
		const vm = ['dist/cli/main.js', 'vm', '--timeout', '3600', ...options.flat(), ...share.options];
		const command = [...vm, '--', process.execPath, ...vitest(project, args)];
		return await countTests(project, process.execPath, command, reading);
	} finally {
		share.remove();
	}
}

/**
 * Whether the arguments select any file of a project. It is asked before a VM boots, because booting it may be useless.
 */
async function selectsFiles(project, args) {
	const list = [tool.vitest, 'list', `--project=${project}`, '--filesOnly', ...args];
	const { output } = await run(process.execPath, list, { capture: true });
	// If the arguments are wrong, vitest prints that, too. Then the run itself starts, and reports it.
	return output.trim() !== '';
}

/** Prints why the VM suite is skipped. Where skips are forbidden (CI), counts a failure. */
function skipVm(obstacle) {
	console.log(`\nVM suite ${isCI ? 'FAILED' : 'skipped'}. ${obstacle}`);
	return { passed: 0, failed: isCI ? 1 : 0, skipped: 0 };
}

/** How long the tests take, as CI measured it. On a fresh clone, the build takes a minute more. */
function duration(projects) {
	const minutes = (projects.has('unit') ? 10 : 0) + (projects.has('vm') ? 15 : 0);
	return `These tests take about ${minutes} minutes on two processors; to run a part of them: npm test -- test/kind`;
}

await main(async (args) => {
	const { projects, isChosen, rest } = parse(args);
	const isFiltered = rest.length > 0;
	if (!isFiltered) console.log(duration(projects));
	const obstacle = await bootstrap({ vm: projects.has('vm') });
	const results = [];
	const counted = (name, counts) => {
		if (!isFiltered) requireTests(name, counts);
		results.push(counts);
	};
	if (projects.has('unit')) counted('unit', await countTests('unit', process.execPath, vitest('unit', rest)));
	const wants = async (project) => {
		if (!projects.has('vm')) return false;
		// Tests of kinds also run on this machine. For them, this guest boots only if a person asked for the VM.
		if (isFiltered && project === 'vm-device' && !isChosen)
			return (await selectsFiles(project, rest)) && !(await selectsFiles('unit', rest));
		return isFiltered ? selectsFiles(project, rest) : true;
	};
	const wanted = [];
	for (const guest of guests) if (await wants(guest.project)) wanted.push(guest);
	if (wanted.length > 0 && obstacle) results.push(skipVm(obstacle));
	else {
		// A guest without KVM keeps one processor busy. So guests side by side take less time than one after another.
		const run = async (guest, index) => counted(guest.project, await runInGuest(guest, rest, { isHeld: index > 0 }));
		await Promise.all(wanted.map(run));
	}
	const sum = sumOf(results);
	if (isFiltered && !obstacle && sum.passed + sum.failed === 0)
		console.error('no test was run, because the arguments select no test');
	console.log(`\n${textOf(sum)}`);
	return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
});
