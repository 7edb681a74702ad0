// npm run test:native: tests the native code. Builds test/native/ and native/ with sanitizers below build/native-test/
// and runs them. A run is short by default, and as long as you like with --seconds. The exit status is 0, 1, or 77 if
// this machine lacks something. It prints what is missing, and the command that fixes it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { nodeDirectory } from './headers.mjs';
import { canInstall, install } from './packages.mjs';
import {
	compiler,
	environmentOfAddon,
	launcherFor,
	Obstacle,
	ownErrors,
	ownLeaks,
	sharedFlags,
} from './sanitizers.mjs';
import { hasProgram, main, root, run, StepError, step, tool } from './steps.mjs';

const output = (variant) => join(root, 'build/native-test', variant);

/** Builds a file of one variant. A variant is a list for -fsanitize, or `plain`. */
async function build(variant, file, flags = []) {
	const target = join(output(variant), file);
	const args = [
		'--silent',
		'-C',
		'test/native',
		`-j${availableParallelism()}`,
		`CXX=${compiler}`,
		`OUT=${output(variant)}`,
		`SANITIZE=${variant === 'plain' ? '' : variant}`,
		`LDFLAGS=${flags.join(' ')}`,
		`NODE=${join(nodeDirectory(), 'include/node')}`,
		`NODE_ADDON_API=${join(root, 'node_modules/node-addon-api')}`,
		target,
	];
	if (!hasProgram('make')) throw new Obstacle('make is not installed', ['make']);
	await step(`build ${variant}`, 'make', args);
	return target;
}

/** Runs a program and prints its output. Where the kernel allows no search for leaks, it runs again without one. */
async function runSanitized(command, env) {
	const [program, ...args] = command;
	const first = await run(program, args, { capture: true, env });
	if (!/LeakSanitizer has encountered a fatal error/.test(first.output)) {
		process.stdout.write(first.output);
		return first;
	}
	console.log('On this machine no process may trace another (ptrace), so this run does not look for leaks.');
	const second = await run(program, args, { capture: true, env: { ...env, ASAN_OPTIONS: 'detect_leaks=0' } });
	process.stdout.write(second.output);
	return second;
}

async function runProgram(variant, tests, { seconds, seed, threads: count, directory }) {
	const launcher = await launcherFor(variant);
	const program = await build(variant, 'native-test');
	const options = ['--seconds', seconds, '--seed', seed, '--threads', count, '--directory', directory];
	const env = { TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1' };
	const { status } = await runSanitized([...launcher, program, ...tests, ...options], env);
	if (status !== 0) throw new StepError(`native-test ${tests.join(' ')} failed with status ${status}`);
}

async function core(options) {
	const kinds = ['registry', 'making', 'nodes', 'owned-blocks', 'decay', 'decay-time'];
	const tests = [
		'model',
		'file',
		'files',
		'tables',
		'owners',
		'caches',
		'stores',
		'jobs',
		...kinds,
		'guard',
		'guard-signals',
		'faults',
		// Its alarms wait for up to a minute. The tests of jobs look at who waits.
		'cache',
	];
	await runProgram('address,undefined', tests, options);
}

async function threads(options) {
	await runProgram(
		'thread',
		['threads', 'jobs', 'registry', 'owned-blocks', 'decay', 'guard', 'guard-signals', 'cache-threads'],
		options,
	);
}

/** Makes a directory for one run, below the chosen directory. */
async function inDirectory({ directory }, body) {
	const own = mkdtempSync(join(directory, 'daxkind-native-'));
	try {
		return await body(own);
	} finally {
		rmSync(own, { recursive: true, force: true });
	}
}

async function faults(options) {
	const library = await build('plain', 'preload-faults.so');
	await inDirectory(options, async (directory) => {
		const orders = join(directory, 'orders');
		writeFileSync(orders, Buffer.alloc(24));
		const { status } = await run(process.execPath, ['--expose-gc', 'test/native/addon-faults.mjs', directory], {
			env: { LD_PRELOAD: library, DAXKIND_FAULTS: orders },
		});
		if (status !== 0) throw new StepError(`addon-faults.mjs failed with status ${status}`);
	});
}

/** Builds the addon of a variant. Returns the environment in which lib/addon.ts finds it. */
async function buildAddon(variant, flags) {
	await build(variant, 'build/Release/daxkind.node', flags);
	return { DAXKIND_PREBUILD: output(variant) };
}

const exercise = (directory, { seconds, seed }) => [
	process.execPath,
	'--no-warnings',
	'--expose-gc',
	'test/native/addon-exercise.mjs',
	directory,
	seconds,
	seed,
];

const stressOfCaches = (directory, { seconds, seed }) => [
	process.execPath,
	'scripts/stress-cache.mjs',
	`--dir=${directory}`,
	`--seconds=${Math.max(1, Math.ceil(Number(seconds)))}`,
	`--seed=${seed}`,
	'--threads=2',
];

async function sanitizedAddon() {
	await launcherFor('address,undefined');
	const built = await buildAddon('address,undefined', sharedFlags());
	return { ...built, ...environmentOfAddon() };
}

async function addon(options) {
	const env = await sanitizedAddon();
	await inDirectory(options, async (directory) => {
		const misuse = [process.execPath, 'test/syscalls/wrong-arguments.mjs', directory];
		for (const command of [exercise(directory, options), misuse, stressOfCaches(directory, options)]) {
			const { status, output: log } = await runSanitized(command, env);
			// Node may have leaks of its own, and a failed status because of them. The log says which leaks are ours.
			const isDone =
				status === 0 || (/LeakSanitizer: detected/.test(log) && /^\d+ rounds from seed|^{"calls"|^lru: /m.test(log));
			if (!isDone || /ERROR: AddressSanitizer|runtime error:/.test(log) || ownLeaks(log).length > 0) {
				throw new StepError(`${command.find((part) => part.endsWith('.mjs'))} failed with status ${status}`);
			}
		}
	});
}

async function valgrind(options) {
	if (!hasProgram('valgrind')) throw new Obstacle('valgrind is not installed', ['valgrind']);
	const env = await buildAddon('plain');
	const log = join(mkdtempSync(join(tmpdir(), 'daxkind-valgrind-')), 'log');
	await inDirectory(options, async (directory) => {
		const args = [`--log-file=${log}`, '--num-callers=40', '--leak-check=full', '--show-leak-kinds=definite'];
		const { status } = await run('valgrind', [...args, ...exercise(directory, { ...options, seconds: '0' })], { env });
		const errors = ownErrors(log);
		for (const error of errors) console.error(error);
		if (status !== 0 || errors.length > 0)
			throw new StepError(`valgrind: ${errors.length} errors, status ${status}; ${log}`);
	});
	rmSync(join(log, '..'), { recursive: true });
}

async function suite({ files }) {
	const env = await sanitizedAddon();
	const logs = mkdtempSync(join(tmpdir(), 'daxkind-asan-'));
	const args = [tool.vitest, 'run', '--project=unit', '--testTimeout=120000', '--exclude=test/native/**', ...files];
	const { status } = await run(process.execPath, args, {
		env: {
			...env,
			ASAN_OPTIONS: `detect_leaks=0:log_path=${join(logs, 'address')}`,
			UBSAN_OPTIONS: `print_stacktrace=1:log_path=${join(logs, 'undefined')}`,
		},
	});
	// A sanitizer may have ended a child process, and its test may have taken that for a normal end. The reports show
	// it.
	const reports = readdirSync(logs)
		.map((name) => readFileSync(join(logs, name), 'utf8'))
		.filter((report) => /ERROR: AddressSanitizer|runtime error:/.test(report));
	for (const report of reports) console.error(report);
	if (reports.length > 0)
		throw new StepError(`the sanitizers wrote ${reports.length} reports, which are also in ${logs}`);
	if (status !== 0) {
		console.log('The sanitizers found nothing. Tests that limit or measure memory fail under them.');
	}
	rmSync(logs, { recursive: true });
}

const modes = {
	core: [
		'the C++ core with AddressSanitizer and UndefinedBehaviorSanitizer: random calls, system calls that fail',
		core,
	],
	threads: [
		'the C++ core with ThreadSanitizer: several threads on one heap, on kinds and in lost pages, and the threads for long tasks',
		threads,
	],
	faults: ['the addon, in Node: its system calls fail one after another', faults],
	addon: ['the addon, in Node, with AddressSanitizer and UndefinedBehaviorSanitizer', addon],
	valgrind: ['the addon, in Node, under valgrind (a minute)', valgrind],
	suite: ['the unit tests (or the files named after --) with the addon of `addon` (minutes)', suite],
};
const usual = ['core', 'threads', 'faults', 'addon'];

function usage() {
	const lines = Object.entries(modes).map(([name, [what]]) => `  ${name.padEnd(9)} ${what}`);
	return `usage: npm run test:native -- [MODE...] [--seconds N] [--seed N] [--threads N] [--directory DIR] [-- FILE...]

${lines.join('\n')}

Without a mode: ${usual.join(', ')}. --seconds is the time for each part (default 3), --directory the place for files (default /dev/shm).`;
}

function parse(args) {
	const end = args.indexOf('--');
	const options = {
		seconds: { type: 'string', default: '3' },
		seed: { type: 'string', default: '1' },
		threads: { type: 'string', default: '4' },
		directory: { type: 'string', default: '/dev/shm' },
		help: { type: 'boolean', short: 'h' },
	};
	try {
		const { values, positionals } = parseArgs({
			args: end < 0 ? args : args.slice(0, end),
			options,
			allowPositionals: true,
		});
		const unknown = positionals.find((name) => !(name in modes));
		if (unknown !== undefined) throw new Error(`there is no mode ${unknown}`);
		return {
			...values,
			chosen: positionals.length > 0 ? positionals : usual,
			files: end < 0 ? [] : args.slice(end + 1),
		};
	} catch (error) {
		throw new StepError(`${error.message}\n\n${usage()}`);
	}
}

/** Runs a mode. Installs what it lacks and runs it again, where that is allowed. */
async function installing(mode) {
	try {
		await mode();
	} catch (error) {
		if (!(error instanceof Obstacle && canInstall())) throw error;
		await install(error.packages);
		await mode();
	}
}

await main(async (args) => {
	const options = parse(args);
	if (options.help) return console.log(usage());
	await bootstrap();
	const obstacles = [];
	for (const name of options.chosen) {
		console.log(`${name}: ${modes[name][0]}`);
		try {
			await installing(() => modes[name][1](options));
		} catch (error) {
			if (!(error instanceof Obstacle)) throw error;
			console.error(`${name}: ${error.message}`);
			obstacles.push(name);
		}
	}
	return obstacles.length > 0 ? 77 : 0;
});
