// One of the workers: derives keys from passwords, which takes long on purpose.
import { pbkdf2Sync } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { PmemCache } from 'daxkind/cache';

const cache = PmemCache.attach(workerData);

parentPort.on('message', (password) => {
	if (password === undefined) {
		cache.close();
		parentPort.close();
		return;
	}
	const isKnown = cache.has(password);
	if (!isKnown) cache.set(password, pbkdf2Sync(password, 'salt', 1000, 32, 'sha256'));
	parentPort.postMessage(!isKnown);
});
