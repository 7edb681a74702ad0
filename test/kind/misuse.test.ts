// Calls on a wrong object, misspelled options, guessed values, and options that say something else when they are read
// again.
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import {
	DeviceKind,
	FixedKind,
	Kind,
	mapFile,
	NodeKind,
	PmemKind,
	type PmemKindOptions,
	type SharedKind,
} from 'daxkind';
import { expect, test } from 'vitest';
import { MIB } from '#lib/size.js';
import { testDirectory } from '../helpers/directory.ts';
import { closeAfterEach, create } from '../helpers/kinds.ts';

const directory = testDirectory();
closeAfterEach();

const code = (code: string) => expect.objectContaining({ code });

test('every method and getter refuses a receiver that is no Kind', async () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	kind.free(kind.malloc(100));
	kind.freeRaw(kind.mallocRaw(100));
	const members = [NodeKind, DeviceKind, FixedKind, PmemKind, Kind].flatMap(({ prototype }) =>
		Reflect.ownKeys(prototype)
			.filter((name) => name !== 'constructor' && name !== Symbol.toStringTag)
			.map((name) => ({ name, ...Object.getOwnPropertyDescriptor(prototype, name) })),
	);
	expect(members.length).toBeGreaterThan(25);
	const share = kind.share();
	const receivers = [
		undefined,
		null,
		1,
		'kind',
		{},
		[],
		Object.create(kind),
		new Proxy(kind, {}),
		Kind.prototype,
		share,
	];
	for (const { name, value, get } of members) {
		for (const receiver of receivers) {
			for (const argument of [64, 0, Buffer.alloc(1), kind.malloc(1), undefined, null, {}]) {
				let result: unknown;
				try {
					result = Reflect.apply(value ?? get, receiver, [argument, 64]);
				} catch (error) {
					result = Promise.reject(error);
				}
				await expect(result, `${String(name)} of ${typeof receiver}`).rejects.toThrow(code('ERR_INVALID_THIS'));
			}
		}
	}
});

test('an option that there is not is an error, which names the nearest one', async () => {
	for (const [wrong, right] of [
		['maxsize', 'maxSize'],
		['requiredDax', 'requireDax'],
		['onPresure', 'onPressure'],
	]) {
		const error = expect.objectContaining({
			code: 'ERR_INVALID_ARG_VALUE',
			message: expect.stringContaining(`'${right}'`),
		});
		const options = { [wrong!]: undefined } as PmemKindOptions;
		expect(() => PmemKind.create(directory, options)).toThrow(error);
		await expect(PmemKind.createAsync(directory, options)).rejects.toThrow(error);
	}
	// Only the asynchronous call takes a signal.
	const signal = { signal: undefined } as PmemKindOptions;
	expect(() => PmemKind.create(directory, signal)).toThrow(code('ERR_INVALID_ARG_VALUE'));
	await (await PmemKind.createAsync(directory, { maxSize: 16 * MIB, ...signal })).closeAsync();
	const path = `${directory}/options`;
	writeFileSync(path, '');
	truncateSync(path, MIB);
	const mapping = mapFile(path);
	expect(() => FixedKind.create(mapping, { maxSize: MIB } as object)).toThrow(code('ERR_INVALID_ARG_VALUE'));
	mapping.unmap();
});

test('each option is read once: what a getter says the second time counts for nothing', async () => {
	const names = ['maxSize', 'policy', 'requireDax', 'mapSync', 'prefault', 'debug', 'onPressure', 'pressureThreshold'];
	const values: Record<string, unknown> = { maxSize: 16 * MIB, onPressure: () => {} };
	for (const name of names) {
		let reads = 0;
		const options = Object.defineProperty({ ...values }, name, {
			enumerable: true,
			get() {
				reads++;
				if (reads > 1) throw new Error('read again');
				return values[name];
			},
		});
		const kind = PmemKind.create(directory, options);
		kind.free(kind.malloc(15 * MIB));
		await new Promise((resolve) => setImmediate(resolve));
		kind.close();
		expect(reads, name).toBe(1);
	}
});

test('a getter that throws, or a kind that cannot be made of a handle, leaves no descriptor open', () => {
	const descriptors = () => readdirSync('/proc/self/fd').length;
	const before = descriptors();
	const options = {
		maxSize: 16 * MIB,
		get pressureThreshold(): number {
			throw new Error('getter');
		},
	};
	for (let i = 0; i < 5; i++) expect(() => PmemKind.create(directory, options)).toThrow('getter');
	expect(descriptors()).toBe(before);
});

test('a kind is joined only with the secret of its own share', () => {
	const kinds = Array.from({ length: 3 }, () => create(directory, { maxSize: 16 * MIB }));
	const shares = kinds.slice(0, 2).map((kind) => kind.share());
	expect(shares[0]!.secret).toMatch(/^[0-9a-f]{32}$/);
	expect(shares[0]!.secret).not.toBe(shares[1]!.secret);
	expect(kinds[0]!.share()).toEqual(shares[0]);
	const gone = code('ERR_DAXKIND_KIND_GONE');
	for (const number of [shares[1]!.number, shares[1]!.number + 1]) {
		expect(() => Kind.attach({ ...shares[0]!, number })).toThrow(gone);
	}
	for (const secret of ['', '0'.repeat(32), shares[0]!.secret.slice(1), `${shares[0]!.secret.toUpperCase()}\0`]) {
		expect(() => Kind.attach({ ...shares[0]!, secret })).toThrow(gone);
		expect(() => Kind.attach({ ...shares[1]!, number: shares[1]!.number + 1, secret })).toThrow(gone);
	}
	for (const secret of [undefined, null, 1, {}]) {
		expect(() => Kind.attach({ ...shares[0]!, secret } as unknown as SharedKind)).toThrow(code('ERR_INVALID_ARG_TYPE'));
	}
	Kind.attach(shares[0]!).close();
});

test('attach checks its options, and takes none but listeners', () => {
	const kind = create(directory, { maxSize: 16 * MIB });
	const shared = kind.share();
	for (const [options, expected] of [
		[null, 'ERR_INVALID_ARG_TYPE'],
		[{ debug: true }, 'ERR_INVALID_ARG_VALUE'],
		[{ onPresure: () => {} }, 'ERR_INVALID_ARG_VALUE'],
		[{ onPressure: 1 }, 'ERR_INVALID_ARG_TYPE'],
		[{ onMediaError: 'log' }, 'ERR_INVALID_ARG_TYPE'],
		[{ pressureThreshold: 2 }, 'ERR_OUT_OF_RANGE'],
	] as const) {
		expect(() => Kind.attach(shared, options as object)).toThrow(code(expected));
		expect(() => (kind.constructor as typeof PmemKind).attach(shared, options as object)).toThrow(code(expected));
	}
	// Only this thread holds the kind: the refused calls did not join it.
	kind.malloc(10);
	expect(kind.close()).toMatchObject({ blocks: 1 });
});

test('attach of a class of kinds gives kinds of that class only', () => {
	const path = `${directory}/fixed`;
	writeFileSync(path, '');
	truncateSync(path, MIB);
	const mapping = mapFile(path);
	const fixed = FixedKind.create(mapping);
	const kind = create(directory, { maxSize: 16 * MIB });
	const wrongClass = code('ERR_INVALID_ARG_VALUE');
	// @ts-expect-error The compiler refuses it, too.
	expect(() => PmemKind.attach(fixed.share())).toThrow(wrongClass);
	// @ts-expect-error
	expect(() => FixedKind.attach(kind.share())).toThrow(wrongClass);
	for (const [type, share] of [
		[FixedKind, fixed.share()],
		[Kind, fixed.share()],
		[PmemKind, kind.share()],
		[Kind, kind.share()],
	] as const) {
		const attach = type.attach as (shared: SharedKind) => Kind;
		const joined = attach(share);
		expect(joined).toBeInstanceOf(type);
		joined.close();
	}
	const { attach } = PmemKind as { attach: (shared: SharedKind) => Kind };
	expect(() => attach(fixed.share())).toThrow(wrongClass);
	expect(fixed.close()).toBeUndefined();
	mapping.unmap();
});
