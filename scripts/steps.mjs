// Code that the scripts share: runs a program, reports it as one line, and shows its output only if it fails. It
// depends on nothing, because these scripts run in a fresh clone before anything is installed.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of the project. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** A failure whose message is all that a person needs, so its stack is not printed. */
export class StepError extends Error {
	name = 'StepError';
}

/** A person's Ctrl-C, or a SIGTERM. The script ends with the signal's status and prints nothing more. */
export class Interrupted extends Error {
	name = 'Interrupted';

	constructor(signal) {
		super(signal);
		this.status = 128 + signalNumbers[signal];
	}
}

/** The paths of JavaScript programs of dependencies. Run them with `process.execPath`, because npx costs a second. */
export const tool = {
	attw: join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'),
	biome: join(root, 'node_modules/@biomejs/biome/bin/biome'),
	clangFormat: join(root, 'node_modules/clang-format-node/build/cli.js'),
	knip: join(root, 'node_modules/knip/bin/knip.js'),
	nodeGyp: join(root, 'node_modules/node-gyp/bin/node-gyp.js'),
	publint: join(root, 'node_modules/publint/src/cli.js'),
	typedoc: join(root, 'node_modules/typedoc/bin/typedoc'),
	tsc: join(root, 'node_modules/typescript/bin/tsc'),
	vitest: join(root, 'node_modules/vitest/vitest.mjs'),
};

/** The program and first arguments that run npm. If npm runs this script, it is the same npm. */
export const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];

/** Whether a program is in the PATH. */
export function hasProgram(name) {
	return (process.env.PATH ?? '').split(delimiter).some((directory) => {
		try {
			accessSync(join(directory || '.', name), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

/**
 * Runs a program in the project's directory to its end.
 *
 * @param options `capture`: collect standard output and error instead of showing them. `env`: additions to the
 * environment. `onLine`: show standard output line by line, except the lines for which this returns true.
 * @returns Exit status (128 + signal number for a signal, 127 if the program is missing), and what was captured.
 * @throws Interrupted if this process gets SIGINT or SIGTERM while it captures the program's output. A program whose
 * output is shown decides for itself what the signals mean.
 */
export function run(program, args, { capture = false, env = {}, onLine } = {}) {
	return new Promise((resolve, reject) => {
		let received;
		const pass = (signal) => {
			received = signal;
			// Ctrl-C reaches the whole process group by itself. Any other signal is passed on, because only this
			// process gets it.
			if (signal !== 'SIGINT') child.kill(signal);
		};
		process.on('SIGTERM', pass).on('SIGINT', pass);
		const stdio = ['ignore', capture || onLine ? 'pipe' : 'inherit', capture ? 'pipe' : 'inherit'];
		const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio });
		let output = '';
		const collect = (chunk) => {
			output += chunk;
		};
		const lines = onLine && splitLines(onLine);
		child.stdout?.setEncoding('utf8').on('data', lines ? lines.write : collect);
		child.stderr?.setEncoding('utf8').on('data', collect);
		const end = (status, error) => {
			process.off('SIGTERM', pass).off('SIGINT', pass);
			lines?.end();
			if (capture && received) reject(new Interrupted(received));
			else resolve({ status, output: error ? `${output}${error}\n` : output });
		};
		child.on('error', (error) => end(error.code === 'ENOENT' ? 127 : 126, error.message));
		child.on('close', (code, signal) => {
			// Ctrl-C may have reached the program a moment before this process hears of it.
			if (signal === 'SIGINT') received = signal;
			end(code ?? 128 + (signalNumbers[signal] ?? 0));
		});
	});
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

function splitLines(swallow) {
	let rest = '';
	const show = (line, end) => swallow(line.replace(/\r$/, '')) || process.stdout.write(line + end);
	return {
		write(chunk) {
			const lines = (rest + chunk).split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) show(line, '\n');
		},
		end() {
			if (rest !== '') show(rest, '');
		},
	};
}

/**
 * Runs a program as a named step. Prints one line with the time that it took, and its output if it fails.
 *
 * @throws StepError if the program fails.
 */
export async function step(label, program, args, options = {}) {
	const started = performance.now();
	const waiting = process.stdout.isTTY ? `${label} …` : '';
	process.stdout.write(waiting);
	const { status, output } = await run(program, args, { ...options, capture: true }).finally(() => {
		if (waiting) process.stdout.write('\r\x1b[K');
	});
	const seconds = ((performance.now() - started) / 1000).toFixed(1);
	console.log(`${label.padEnd(36)} ${status === 0 ? 'done  ' : 'FAILED'} ${seconds.padStart(6)} s`);
	if (status === 0) return output;
	console.error(output.trimEnd());
	const command = [program === process.execPath ? 'node' : program, ...args].join(' ');
	throw new StepError(`${label} failed with status ${status}: ${command}`);
}

/**
 * Runs a script's main function with the script's arguments, without `--yes`, which all scripts take (packages.mjs). Of a
 * StepError it prints the message, with status 1. An Interrupted gives its own status.
 */
export async function main(body) {
	try {
		process.exitCode = (await body(process.argv.slice(2).filter((argument) => argument !== '--yes'))) ?? 0;
	} catch (error) {
		const isInterrupted = error instanceof Interrupted;
		if (!isInterrupted) console.error(error instanceof StepError ? `\n${error.message}` : error);
		process.exitCode = isInterrupted ? error.status : 1;
	}
}
