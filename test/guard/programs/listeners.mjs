// Listeners of SIGBUS that come and go around a mapping that has lost its pages. Arguments: the directory, and the name
// of the story. Prints what the listener was called with.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { lossyFile, pageSize } from './lossy.mjs';

const [directory, story] = process.argv.slice(2);
const heard = [];
const listener = (...args) => heard.push(args.join(' '));
const turn = () => new Promise((resolve) => setImmediate(resolve));

let file;
let next = 0;
function map() {
	file = lossyFile(`${directory}/file`, 100);
	file.lose();
}
/** Causes a fault. */
function touch() {
	const at = next++ * pageSize + 5;
	file.buffer[at] += 3;
	assert.equal(file.buffer[at], 3);
}
/** Sends SIGBUS to this process. Either a listener hears it, or it ends the process. */
async function send(count = heard.length + 1) {
	process.kill(process.pid, 'SIGBUS');
	const end = performance.now() + 5000;
	while (heard.length < count && performance.now() < end) await sleep(1);
	assert.equal(heard.length, count);
}

const stories = {
	'a listener from before the first mapping': async () => {
		process.on('SIGBUS', listener);
		map();
		touch();
		await send();
		touch();
		await send();
	},
	'a listener that comes later': async () => {
		map();
		touch();
		process.on('SIGBUS', listener);
		await turn();
		touch();
		await send();
		touch();
	},
	'two listeners, one of whom goes': async () => {
		map();
		const second = () => {};
		process.on('SIGBUS', second);
		process.on('SIGBUS', listener);
		await turn();
		touch();
		await send();
		process.off('SIGBUS', second);
		await turn();
		touch();
		await send();
	},
	'a listener that comes, goes and comes again': async () => {
		map();
		for (let i = 0; i < 20; i++) {
			process.on('SIGBUS', listener);
			await turn();
			touch();
			await send();
			process.off('SIGBUS', listener);
			await turn();
			touch();
		}
		heard.splice(1);
	},
	'a fault at once after a listener has come': async () => {
		map();
		const ignore = () => {};
		process.on('SIGBUS', ignore);
		touch();
		await turn();
		touch();
		process.off('SIGBUS', ignore);
		await sleep(700);
		touch();
		process.on('SIGBUS', listener);
		await turn();
		await send();
	},
	'no listener': async () => {
		map();
		touch();
		await send();
	},
	'a listener that has gone': async () => {
		map();
		process.on('SIGBUS', listener);
		await turn();
		process.off('SIGBUS', listener);
		await turn();
		touch();
		await send();
	},
	'a listener from before the first mapping that has gone': async () => {
		process.on('SIGBUS', listener);
		map();
		touch();
		process.off('SIGBUS', listener);
		await turn();
		touch();
		await send();
	},
	'a listener for once': async () => {
		map();
		process.once('SIGBUS', listener);
		await turn();
		touch();
		await send();
		touch();
		process.stdout.write(heard.splice(0).join());
		await send();
	},
};

await stories[story]();
console.log(heard.join());
