// The operations on the kind as a whole: statistics, which have to add up while others work, and giving storage back.

/** What always holds, whatever other threads do. */
function checkStats(player, stats) {
	const { capacity, committed, active, allocated, blocks, cached, free, largestFree, highWater } = stats;
	const isSound =
		Object.values(stats).every((value) => Number.isSafeInteger(value) && value >= 0) &&
		capacity === player.kind.capacity &&
		free + active === capacity &&
		largestFree <= free &&
		committed <= capacity &&
		allocated <= highWater &&
		highWater <= capacity &&
		cached <= capacity &&
		blocks * 8 <= capacity;
	player.expect(isSound, 'the statistics contradict themselves', undefined, { stats });
}

function stats(player) {
	checkStats(player, player.kind.stats());
	return true;
}

function sizeClasses(player) {
	const { classes, large } = player.kind.sizeClasses();
	const isSound =
		classes.every(({ size, blocks, bytes }) => bytes === size * blocks) && large.bytes >= large.blocks * 1024;
	player.expect(isSound, 'the size classes contradict themselves', undefined, { classes, large });
	return true;
}

function purge(player) {
	const bytes = player.kind.purge();
	player.expect(bytes >= 0 && bytes <= player.kind.capacity, 'purge gave a strange number', undefined, { bytes });
	return true;
}

/** One at a time: it goes on while the worker does other things. */
function purgeAsync(player) {
	if (player.pending !== undefined) return false;
	const { kind, random, tally } = player;
	const controller = new AbortController();
	if (random.chance(0.3)) setTimeout(() => controller.abort(), random.below(5));
	const done = (bytes) => player.expect(bytes >= 0, 'purgeAsync gave a strange number', undefined, { bytes });
	const failed = (error) => {
		if (error !== controller.signal.reason) throw error;
		tally.add('purgeAsync aborted');
	};
	const job = kind.purgeAsync({ signal: controller.signal }).then(done, failed);
	player.pending = player.watch(job).then(() => {
		player.pending = undefined;
	});
	return true;
}

export const keeping = [
	{ name: 'stats', weight: 10, run: stats },
	{ name: 'sizeClasses', weight: 3, run: sizeClasses },
	{ name: 'purge', weight: 1, run: purge },
	{ name: 'purgeAsync', weight: 1, run: purgeAsync },
];
