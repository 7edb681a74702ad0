// The examples do what they say, and a person can use the service's command line.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { findServer } from '../../examples/layered-cache/server.mjs';
import { isCI } from '../../scripts/packages.mjs';
import { spawn, spawnSync } from '../helpers/children.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

function run(name: string, ...args: string[]) {
	const { status, stdout, stderr } = spawnSync(process.execPath, [examples + name, ...args], { encoding: 'utf8' });
	return { status, stdout, stderr };
}

const service = (...args: string[]) => run('service/main.mjs', ...args);

test.each([
	['hello.mjs', ['/dev/shm'], 'not on DAX\nhello, pmem\nundefined\n0 blocks left\n'],
	['workers.mjs', [], '4 threads have sorted 1000000 numbers in place: true\n'],
	[
		'http-cache/main.mjs',
		['/dev/shm', '300'],
		expect.stringMatching(/^300 requests for \d+ pages, 0 of them wrong; each page was rendered once: true\n$/),
	],
	[
		'worker-pool/main.mjs',
		['/dev/shm', '2'],
		'5000 tasks by 2 workers, 500 keys, none computed twice or nearly so: true\n',
	],
	[
		'fastify/main.mjs',
		['/dev/shm'],
		'50 requests for 5 reports: 5 were made, all answers are whole: true\n' +
			'daxkind_cache_entries{name="reports"} 5\n' +
			'deleted: true, 4 reports and 0 leases left\n' +
			'closed: true\n',
	],
	['index.mjs', ['/dev/shm', '2000'], '2000 records, 64 bytes each, 0 of them wrong\n0 blocks left\n'],
	['vectors/main.mjs', ['/dev/shm', '20000'], '20000 vectors of 64 numbers, 5 MB; 10 of 10 found\n'],
] as const)('%s', (name, args, stdout) => {
	// The time that something takes goes to standard error.
	const stderr = expect.stringMatching(/^(\d+ ms .*\n)?$/);
	expect(run(name, ...args)).toEqual({ status: 0, stdout, stderr });
});

test('fastify/main.mjs has no lease left of clients that leave while their reports are made', async () => {
	const child = spawn(process.execPath, [`${examples}fastify/main.mjs`, '/dev/shm', '0'], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	onTestFinished(() => void child.kill());
	const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
	const { origin, hostname, port } = new URL(/^\S+/.exec(line)![0]);
	const names = ['a', 'b', 'c', 'd'];
	// Two clients ask for two reports each, in one connection.
	for (const two of [names.slice(0, 2), names.slice(2)]) {
		const socket = connect(Number(port), hostname);
		const requests = two.map((name) => `GET /reports/${name} HTTP/1.1\r\nHost: x\r\n\r\n`).join('');
		socket.write(requests, () => void socket.destroy());
	}
	const metrics = async () => (await fetch(`${origin}/metrics`)).text();
	await expect.poll(metrics, { timeout: 20_000 }).toContain('daxkind_cache_entries{name="reports"} 4\n');
	for (const name of names) await fetch(`${origin}/reports/${name}`, { method: 'DELETE' });
	const left = /^daxkind_cache_(entries|pinned_entries)\S* \d+$/gm;
	expect((await metrics()).match(left)).toEqual([
		'daxkind_cache_entries{name="reports"} 0',
		'daxkind_cache_pinned_entries{name="reports"} 0',
	]);
});

test('layered-cache/main.mjs, with the server that this machine has', ({ skip }) => {
	// In CI scripts/packages.mjs installs one.
	skip(findServer() === undefined && !isCI, 'neither valkey-server nor redis-server is installed');
	expect(run('layered-cache/main.mjs')).toEqual({
		status: 0,
		stdout:
			'computed 1 time, and both have it: true\n' +
			'the second machine has it in its own memory now: true\n' +
			'1000 more reads asked nobody else: true\n' +
			'after a restart it comes from the second level: Ada\n' +
			'and what is deleted is gone: true\n',
		stderr: '',
	});
});

test('layered-cache/main.mjs says which package is missing', () => {
	const program = `${examples}layered-cache/main.mjs`;
	const { status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8', env: { PATH: '/missing' } });
	expect(status).toBe(1);
	expect(stderr).toContain('Fix: apt-get install redis-server');
});

test('vectors/main.mjs says how it is used if it is given no number of vectors', () => {
	for (const count of ['abc', '0', '-1', '0.5']) {
		const stderr = 'Usage: node examples/vectors/main.mjs [DIRECTORY] [COUNT]\n';
		expect(run('vectors/main.mjs', '/dev/shm', count)).toEqual({ status: 2, stdout: '', stderr });
	}
});

test('each has its line in their README, with the command that runs it', () => {
	const lines = readFileSync(`${examples}README.md`, 'utf8').split('\n');
	const names = readdirSync(examples).filter((name) => name !== 'README.md');
	const isThere = (name: string) =>
		lines.some((line) => line.startsWith(`| [${name}`) && /`(node examples\/|npm start`)/.test(line));
	expect(names.filter((name) => !isThere(name))).toEqual([]);
});

test('the service is loaded, verifies every byte, and reports', () => {
	const { status, stdout } = service('--dir', '/dev/shm', '--max-size', '32M', '--requests', '300');
	expect(status).toBe(0);
	expect(stdout).toMatch(/^300 requests over \d+ keys/);
	expect(stdout).toMatch(/^where +\/dev\/shm \(as chosen with --dir\)$/m);
	expect(stdout).toMatch(/^DAX +NO: the file system is tmpfs, which has no DAX$/m);
	expect(stdout).toMatch(/^capacity +32 MiB$/m);
	expect(stdout).toMatch(/^verified +[\d,]+ answers, .*: every byte is right$/m);
	expect(stdout).toMatch(/^blocks .* none left at the end$/m);
	for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});

test('with --serve it stays up until it is ended', async () => {
	const args = ['--serve', '--dir', '/dev/shm', '--max-size', '16M'];
	const child = spawn(process.execPath, [`${examples}service/main.mjs`, ...args], {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let stdout = '';
	child.stdout.setEncoding('utf8').on('data', (text) => {
		stdout += text;
	});
	await expect.poll(() => stdout, { timeout: 20_000 }).toContain('Ctrl-C ends it');
	const [url] = /http:\S+(?=;)/.exec(stdout)!;
	expect((await fetch(`${url}/values/a`, { method: 'PUT', body: 'hello' })).status).toBe(201);
	expect(await (await fetch(`${url}/values/a`)).text()).toBe('hello');
	child.kill('SIGINT');
	expect(await once(child, 'close')).toEqual([0, null]);
	expect(stdout).toContain('closing: 1 values (5 B) are freed');
});

test.each([
	[['--requests', '0'], "--requests must be a whole number of at least 1. Received '0'"],
	[['--port', '65536'], "--port must be a whole number from 0 to 65535. Received '65536'"],
	[['--max-size', '1M'], "--max-size must be a size of at least 16M, like 512M. Received '1M'"],
	[['--nonsense'], "Unknown option '--nonsense'"],
])('%j is wrong usage: status 2, and the flag by its name', (args, message) => {
	const { status, stdout, stderr } = service(...args);
	expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
	expect(stderr).toContain(message);
	expect(stderr).toMatch(/\n {2}\(--help says more\)\n$/);
});

test('what the machine refuses is no wrong usage', () => {
	expect(service('--dir', '/missing')).toEqual({
		...{ status: 1, stdout: '' },
		stderr: "ENOENT: no such file or directory, open '/missing'\n",
	});
});

test('its help names every option, and fits in 90 columns', () => {
	const { status, stdout } = service('--help');
	expect(status).toBe(0);
	for (const option of ['--vm', '--serve', '--port', '--dir', '--max-size', '--requests'])
		expect(stdout).toContain(option);
	for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(90);
});

test.each([[[]], [['--serve']]])('%j ends quietly when nobody reads its output', async (args) => {
	const child = spawn(process.execPath, [`${examples}service/main.mjs`, ...args], {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	child.stdout.destroy();
	let stderr = '';
	child.stderr.setEncoding('utf8').on('data', (text) => {
		stderr += text;
	});
	expect(await once(child, 'close')).toEqual([141, null]);
	expect(stderr).toBe('');
});
