// A kind belongs to this process alone. A child holds neither its descriptor nor its mapping, in whatever way it is
// started.
import { mkdtempSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PmemKind } from 'daxkind';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { spawnSync } from '../helpers/children.ts';
import { testDirectory } from '../helpers/directory.ts';
import { holders, namelessFiles, startChild, until } from '../helpers/process.ts';

const root = testDirectory();
const children = fileURLToPath(new URL('programs/children.mjs', import.meta.url));

test('no way of starting a child hands it the descriptor or the mapping, and the kind is as it was', () => {
	const { status, stdout, stderr } = spawnSync(process.execPath, [children, mkdtempSync(`${root}/`)], {
		encoding: 'utf8',
	});
	expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
	const { seen, isIntact, blocksLeft } = JSON.parse(stdout);
	// The process finds its own descriptor and mapping, so it would find a child's too.
	const { 'this process itself': own, ...others } = seen;
	expect(own).toEqual([2, '0']);
	expect(Object.keys(others).length).toBeGreaterThan(10);
	expect(others).toEqual(Object.fromEntries(Object.keys(others).map((way) => [way, [0, '0']])));
	expect({ isIntact, blocksLeft }).toEqual({ isIntact: true, blocksLeft: 0 });
});

test('the storage is free when its process is killed, though a child lives on', async () => {
	const directory = mkdtempSync(`${root}/`);
	const parent = await startChild(
		`import { spawn } from 'node:child_process';
		globalThis.kind = PmemKind.create(process.argv[1], { maxSize: ${64 * MIB} });
		globalThis.block = kind.malloc(${32 * MIB}).fill(1);
		const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
		child.once('spawn', () => console.log('child', child.pid, 'ready'));
		setInterval(() => {}, 1000);`,
		directory,
	);
	expect(holders(directory)).toEqual([{ pid: parent.pid, descriptors: 1, mappings: 1 }]);
	expect(await parent.end('SIGKILL')).toEqual([null, 'SIGKILL']);
	const child = Number(/child (\d+)/.exec((await parent.ended).stdout)![1]);
	onTestFinished(() => void process.kill(child, 'SIGKILL'));
	expect(readFileSync(`/proc/${child}/comm`, 'utf8')).toBe('sleep\n');
	await until(() => holders(directory).length === 0);
	expect(readFileSync(`/proc/${child}/comm`, 'utf8')).toBe('sleep\n');
});

test('the kernel has the mapping as one that fork leaves out, and the descriptor as one that exec closes', () => {
	const directory = mkdtempSync(`${root}/`);
	using kind = PmemKind.create(directory, { maxSize: 16 * MIB });
	kind.malloc(100).fill(1);
	const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
	const own = mappings.filter((text) => text.includes(` ${directory}/`));
	expect(own).toHaveLength(1);
	// VM_DONTCOPY, in the kernel's own abbreviation.
	expect(/^VmFlags: (.*)$/m.exec(own[0]!)![1]!.split(' ')).toContain('dc');
	const [file] = namelessFiles(directory);
	const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file!.fd}`, 'utf8'))![1]!;
	const closeOnExec = 0o2000000;
	expect(Number.parseInt(flags, 8) & closeOnExec).toBe(closeOnExec);
});
