// npm run stress: makes what is missing, then has threads work on shared kinds in all ways, on this machine or, with
// --vm, on real DAX in the VM. The run is a process of its own, so that this script can report even a crash.
import { UsageError } from './arguments.mjs';
import { bootstrap } from './bootstrap.mjs';
import { main, run, StepError } from './steps.mjs';
import { argumentsOf, parseOptions, usage } from './stress/options.mjs';

const program = 'scripts/stress/run.mjs';
/** The seconds that a guest without KVM takes beside the run itself: its boot and its end. */
const guestSeconds = 600;

/** The devices have to hold the kinds, the workers' own kinds, and the metadata of the file systems. */
function guestOptions({ seconds, size, workers }) {
	const device = size * 1.25 + (workers + 4) * 16 * 2 ** 20;
	const pmem = `${Math.max(4, Math.ceil(device / 2 ** 27)) * 128}M`;
	const mounts = ['ext4', 'xfs'].flatMap((fs) => ['--pmem', pmem, '--fs', fs, '--mount', 'dax=always']);
	return [...mounts, '--timeout', String(seconds + guestSeconds)];
}

await main(async (args) => {
	let options;
	try {
		options = parseOptions(args);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		console.error(`${error.message}\n\n${usage}`);
		return 2;
	}
	const { vm, help } = options;
	if (help) return console.log(usage);
	const obstacle = await bootstrap({ vm });
	if (obstacle) throw new StepError(obstacle);
	const again = argumentsOf(options);
	const command = [program, ...again];
	const guest = ['dist/cli/main.js', 'vm', ...guestOptions(options), '--', process.execPath, ...command];
	const { status } = await run(process.execPath, vm ? guest : command);
	if (status > 1) {
		console.error(`FAILED: the run ended with status ${status}. Repeat with: npm run stress -- ${again.join(' ')}`);
	}
	return Math.min(status, 1);
});
