// Caches on real DAX: on each file system, on one that is full, and while somebody sets the clock.
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Kind, OutOfMemoryError, PmemKind } from 'daxkind';
import { describe, expect, onTestFinished, test } from 'vitest';
import { native } from '#lib/native.js';
import { MIB } from '#lib/size.js';
import { cacheFor } from '../helpers/caches.ts';
import { execFileSync } from '../helpers/children.ts';
import { ext4, onDax, xfs } from '../helpers/guest.ts';
import { freeBytes, until } from '../helpers/process.ts';

describe.each(onDax)('on %s with DAX', (_, directory) => {
	test('entries are on DAX, and come back as they were', () => {
		const cache = cacheFor<Buffer>(directory, { maxSize: 16 * MIB });
		const kind = Kind.attach(cache.share().kind);
		onTestFinished(() => void kind.close());
		expect((kind as PmemKind).dax).toBe(true);
		for (let i = 0; i < 3000; i++) cache.set(`${i}`, Buffer.alloc((i * 7) % 20_000, i));
		expect(cache.stats().evicted).toBeGreaterThan(0);
		let hits = 0;
		for (let i = 0; i < 3000; i++) {
			const value = cache.get(`${i}`);
			if (value === undefined) continue;
			hits++;
			expect(value.equals(Buffer.alloc((i * 7) % 20_000, i))).toBe(true);
		}
		expect(hits).toBe(cache.size);
	});
});

/** Takes all room of a file system but some. */
function fillUp(directory: string, left: number): void {
	const path = join(directory, 'filler');
	const fd = openSync(path, 'w');
	onTestFinished(() => rmSync(path));
	native.allocateOrNothing(fd, 0, Math.floor((freeBytes(directory) - left) / MIB) * MIB);
	closeSync(fd);
}

test.each([
	['ext4', ext4],
	['xfs', xfs],
])('on a full %s a cache evicts, and fails only where nothing is left to evict', (_, directory) => {
	const kind = PmemKind.create(directory, { maxSize: 128 * MIB });
	onTestFinished(() => void kind.close());
	const cache = cacheFor<Buffer>(kind);
	fillUp(directory, 12 * MIB);
	for (let i = 0; i < 400; i++) cache.set(`${i}`, Buffer.alloc(100_000 + (i % 7) * 1000, i));
	expect(cache.get('399')!.every((byte) => byte === (399 & 0xff))).toBe(true);
	const { evicted, bytes } = cache.stats();
	expect(evicted).toBeGreaterThan(200);
	expect(bytes).toBeLessThan(16 * MIB);
	expect(() => cache.set('key', Buffer.alloc(64 * MIB))).toThrow(OutOfMemoryError);
});

test('entries live as long as they are to live, whatever somebody does to the clock', async () => {
	const cache = cacheFor<string>(ext4, { maxSize: 16 * MIB });
	const now = Date.now();
	onTestFinished(() => {
		execFileSync('date', ['-s', `@${Math.round(now / 1000) + 5}`]);
	});
	cache.set('long', 'value', { ttl: 3_600_000 });
	cache.set('short', 'value', { ttl: 300 });
	execFileSync('date', ['-s', `@${Math.round(now / 1000) + 86_400}`]);
	expect(Date.now()).toBeGreaterThan(now + 80_000_000);
	expect(cache.get('long')).toBe('value');
	expect(cache.getRemainingTtl('long')).toBeLessThanOrEqual(3_600_000);
	execFileSync('date', ['-s', `@${Math.round(now / 1000) - 86_400}`]);
	expect(cache.get('long')).toBe('value');
	await until(() => cache.size === 1);
	expect(cache.get('short')).toBeUndefined();
});
