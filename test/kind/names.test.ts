// What kinds are called, and which of them are open.
import { writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { FixedKind, Kind, kinds, mapFile, NodeKind, PmemKind, type SharedKind } from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { collectedUntil } from '../helpers/garbage.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';
import { Thread } from '../helpers/thread.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });
const small = { maxSize: 16 * MIB };

test('a kind has the name that its creator gave it, or else that of its path', async () => {
	expect(create(directory, small).name).toBe(directory);
	const named = create(directory, { ...small, name: 'sessions' });
	expect(named).toMatchObject({ name: 'sessions', path: directory });
	expect(inspect(named)).toContain("name: 'sessions'");
	const later = await PmemKind.createAsync(directory, { ...small, name: 'later' });
	expect(later.name).toBe('later');
	later.close();
	expect(later.name).toBe('later');
});

test('all threads see the name that the creator gave', async () => {
	const kind = create(directory, { ...small, name: 'sessions' });
	const thread = await Thread.start(kind.share());
	expect(await thread.run(({ kind }) => kind.name, 0)).toBe('sessions');
	const again = (await thread.run(({ kind }) => kind.share(), 0)) as SharedKind;
	using attached = Kind.attach(again);
	expect(attached.name).toBe('sessions');
});

test('a share without a name is still a share', () => {
	const kind = create(directory, { ...small, name: 'sessions' });
	const { name: _, ...old } = kind.share();
	using attached = Kind.attach(old as SharedKind);
	expect(attached.name).toBe(directory);
	for (const name of ['', 7, null]) {
		expect(() => Kind.attach({ ...old, name } as unknown as SharedKind)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
});

test('a name that is no name is refused', () => {
	for (const name of [7, null, true, {}]) {
		expect(() => PmemKind.create(directory, { ...small, name: name as never })).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	expect(() => PmemKind.create(directory, { ...small, name: '' })).toThrow(code('ERR_INVALID_ARG_VALUE'));
	writeFileSync(`${directory}/fixed`, Buffer.alloc(MIB));
	const mapping = mapFile(`${directory}/fixed`);
	expect(() => FixedKind.create(mapping, { name: '' })).toThrow(code('ERR_INVALID_ARG_VALUE'));
	expect(() => NodeKind.create(0, { ...small, name: '' })).toThrow(code('ERR_INVALID_ARG_VALUE'));
	using node = NodeKind.create(0, { ...small, name: 'node' });
	expect(node.name).toBe('node');
	using kind = FixedKind.create(mapping, { name: 'fixed' });
	expect(kind.name).toBe('fixed');
});

test('kinds() has the open kinds of this thread, the oldest first', async () => {
	const before = kinds();
	const [first, second] = [create(directory, small), create(directory, small)];
	const attached = Kind.attach(first.share());
	expect(kinds()).toEqual([...before, first, second, attached]);
	// The list is the caller's own.
	kinds().length = 0;
	first.close();
	expect(kinds().includes(first)).toBe(false);
	const thread = await Thread.start(second.share());
	expect(await thread.run(({ daxkind }) => daxkind.kinds().length, 0)).toBe(1);
	await attached.closeAsync();
	expect(kinds()).toEqual([...before, second]);
});

test('kinds() keeps no kind alive', async () => {
	const before = kinds().length;
	(() => {
		const kind = PmemKind.create(directory, { ...small, name: 'garbage' });
		expect(kinds().includes(kind)).toBe(true);
	})();
	await collectedUntil(() => kinds().length === before);
	expect(kinds().some(({ name }) => name === 'garbage')).toBe(false);
});

test('many kinds are listed, and no closed one', () => {
	const before = kinds().length;
	for (let round = 0; round < 200; round += 1) PmemKind.create(directory, small).close();
	expect(kinds().length).toBe(before);
});
