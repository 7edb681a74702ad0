// Calls every export of the addon with arguments that do not fit: one wrong argument among good ones, too few, and all
// wrong. Then it calls them with numbers that fit and mean nothing. `node wrong-arguments.mjs DIRECTORY` prints, as
// JSON, what was not as it should be.

import { closeSync, fstatSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { systemError } from '#lib/errors.js';
import { native } from '#lib/native.js';
import { Random } from '../../scripts/random.mjs';

const MiB = 1024 * 1024;
const [, , directory] = process.argv;
const file = join(directory, 'file');
writeFileSync(file, Buffer.alloc(8192));
const fd = openSync(file, 'r+');
const create = () => native.kindCreate(directory, 16 * MiB, false, 10_000, false, false, false);
const { id } = create();
const map = () => native.mapDescriptor(fd, 0, 8192, true, false, 8192);
let mapping = map();
const [nonce] = native.kindShare(id);
// The kind of `id` is closed before caches are tried.
const { id: kindOfCaches } = create();
const makeCache = () => native.cacheCreate(kindOfCaches, MiB, 100, false);
let cache = makeCache();

const isInteger = (least, most) => (value) => Number.isInteger(value) && value >= least && value <= most;
const isPath = (value) => typeof value === 'string' && !value.includes('\0');
const isBoolean = (value) => typeof value === 'boolean';
const or = (fits) => (value) => value === undefined || fits(value);
const count = isInteger(0, Number.MAX_SAFE_INTEGER);
const uint32 = isInteger(0, 2 ** 32 - 1);
const never = () => false;

/** For each sort of parameter: a value that fits, and a function that says which values fit. */
const sorts = {
	options: [() => ({ systemError, areMarksKeys: false }), never],
	file: [() => file, isPath],
	directory: [() => directory, isPath],
	'path?': [() => undefined, or(isPath)],
	string: [() => '', (value) => typeof value === 'string'],
	fd: [() => fd, isInteger(0, 2 ** 31 - 1)],
	uint32: [() => 0, uint32],
	most: [() => 10, uint32],
	unit: [() => 4096, isInteger(1, 2 ** 20)],
	count: [() => 0, count],
	length: [() => 4096, count],
	boolean: [() => false, isBoolean],
	'boolean?': [() => undefined, or(isBoolean)],
	mapping: [() => mapping.id, uint32],
	view: [() => Buffer.alloc(8192), (value) => value instanceof Uint8Array],
	places: [() => new Float64Array(2), (value) => value instanceof Float64Array],
	buffer: [() => new ArrayBuffer(8), (value) => value instanceof ArrayBuffer],
	'buffer?': [() => undefined, or((value) => value instanceof ArrayBuffer)],
	id: [() => id, count],
	code: [() => 3, isInteger(0, native.kindLayout.classSizes.length - 1)],
	units: [() => 1, count],
	alignment: [() => 16, count],
	out: [() => native.kindLayout.handleOut, isInteger(0, 2 ** 16 - 1)],
	fill: [() => -1, isInteger(-1, 255)],
	handler: [() => () => {}, (value) => typeof value === 'function'],
	sort: [() => native.kindLayout.referenceShared, isInteger(0, 2)],
	part: [() => 0.5, (value) => typeof value === 'number' && value >= 0 && value <= 1],
	maxSize: [() => 16 * MiB, (value) => isInteger(0, 2 ** 53)(value) && value % native.kindLayout.chunkSize === 0],
	decayMs: [() => 10_000, isInteger(1, 86_400_000)],
	nonce: [() => nonce, count],
	nodes: [() => new Uint8Array(2), never],
	ofThree: [() => 0, isInteger(0, 2)],
	kindOfCaches: [() => kindOfCaches, count],
	cache: [() => cache.id, count],
	key: [() => 'key', (value) => typeof value === 'string' || value instanceof Uint8Array],
	encoding: [() => 0, isInteger(0, 255)],
	anything: [() => 1, () => true],
};

const request = ['directory', 'maxSize', 'boolean', 'decayMs', 'boolean', 'boolean', 'boolean'];
const deviceRequest = ['file', 'count', 'length', 'length', 'boolean', 'boolean', 'boolean'];
const nodeRequest = ['file', 'nodes', 'ofThree', 'ofThree', 'maxSize', 'boolean', 'boolean'];
const place = ['id', 'uint32', 'uint32'];

/** The sorts of the parameters of every export. */
const parameters = {
	init: ['options'],
	statx: ['file'],
	statxDescriptor: ['fd'],
	statxTemporary: ['directory', 'boolean?'],
	statfs: ['file'],
	getFsxattr: ['file', 'boolean?'],
	changeFsxattrFlags: ['file', 'uint32', 'uint32'],
	changeFsxattrTree: ['directory', 'uint32', 'uint32', 'boolean'],
	changeFsxattrTreeAsync: ['directory', 'uint32', 'uint32', 'boolean'],
	getInodeFlags: ['file', 'boolean?'],
	tryMapSync: ['file', 'boolean', 'boolean?'],
	fileExtents: ['file', 'most'],
	openFile: ['file', 'boolean'],
	closeDescriptor: ['fd'],
	lockDescriptor: ['fd'],
	allocateOrNothing: ['fd', 'count', 'length', 'path?'],
	currentNode: [],
	badBlocksOf: ['uint32', 'uint32', 'boolean', 'path?'],
	badRangesIn: ['view', 'view', 'unit'],
	scanBadBlocksAsync: ['directory', 'view', 'unit'],
	repairPagesAsync: ['file', 'boolean', 'view', 'unit', 'boolean', 'boolean', 'path?'],
	quarantineFileAsync: ['file', 'file', 'unit', 'boolean', 'path?'],
	mapDescriptor: ['fd', 'count', 'length', 'boolean', 'boolean', 'length', 'path?'],
	mapDaxDevice: ['file', 'count', 'length', 'length', 'length'],
	mapAnonymous: ['length', 'length'],
	mappingPart: ['mapping', 'count', 'length'],
	releaseMapping: ['mapping'],
	mappingErrors: ['mapping'],
	mappingPersist: [],
	mappingWrite: ['view'],
	mappingFill: [],
	mappingMove: [],
	mappingWriteAll: ['view', 'places'],
	mappingPersistAsync: [],
	drain: [],
	armGuard: [],
	setLossHandler: ['handler'],
	isLost: ['view'],
	detachArrayBuffer: ['buffer'],
	kindCreate: request,
	kindCreateAsync: request,
	kindCreateDevice: deviceRequest,
	kindCreateDeviceAsync: deviceRequest,
	kindCreateNode: nodeRequest,
	kindCreateNodeAsync: nodeRequest,
	kindCreateFixed: ['mapping', 'file', 'boolean'],
	kindRefill: ['id', 'code'],
	kindDrain: ['id', 'code'],
	kindAllocateRun: ['id', 'units', 'alignment'],
	kindFree: place,
	kindFreeRaw: ['id', 'count', 'out', 'fill'],
	kindResizeRun: [...place, 'units'],
	kindTakeFuller: place,
	kindWindow: [...place, 'length'],
	kindCollectedWindow: [...place, 'length', 'count'],
	kindShare: ['id'],
	kindAttach: ['nonce', 'uint32', 'string'],
	kindLeave: ['id'],
	kindListen: ['id'],
	kindReference: [...place, 'length', 'uint32', 'sort'],
	kindShareBlock: [...place, 'count'],
	kindRelength: [...place, 'count', 'length'],
	kindDereference: [...place, 'count'],
	kindUnreference: [...place, 'count'],
	kindQuarantine: [...place, 'count', 'buffer'],
	kindFreeReferenced: [...place, 'count', 'buffer?'],
	kindRawTables: ['id'],
	kindIsHandle: ['anything'],
	kindPurge: ['id'],
	kindPurgeAsync: ['id'],
	kindPrefaultAsync: ['id'],
	kindWatch: ['id', 'part'],
	kindNodes: ['id'],
	kindCollectable: ['id', 'part'],
	kindStats: ['id'],
	kindClassUse: ['id', 'boolean'],
	kindForget: ['id'],
	kindCloseAsync: ['id'],
	kindClose: ['id'],
	cacheResults: [],
	cacheCreate: ['kindOfCaches', 'count', 'count', 'boolean'],
	cacheShare: ['cache'],
	cacheAttach: ['kindOfCaches', 'nonce', 'uint32', 'string'],
	cacheGet: ['cache', 'key', 'uint32', 'view', 'count'],
	cachePin: ['cache', 'key', 'uint32'],
	cacheUnpin: ['cache', 'uint32'],
	cacheCopy: ['cache', 'uint32', 'view'],
	cacheFreshFor: ['cache', 'key'],
	cacheDelete: ['cache', 'key'],
	cacheSet: ['cache', 'key', 'view', 'encoding', 'count', 'count'],
	cacheBegin: ['cache', 'key', 'count'],
	cacheAppend: ['cache', 'uint32', 'view'],
	cachePublish: ['cache', 'uint32', 'encoding', 'count', 'count'],
	cacheAbandon: ['cache', 'uint32'],
	cacheClear: ['cache'],
	cacheSize: ['cache'],
	cacheList: ['cache', 'count', 'view'],
	cacheStats: ['cache'],
	setRemovalHandler: ['handler'],
	cacheListen: ['cache'],
	cacheTakeRemoved: ['cache', 'uint32'],
	cacheClose: ['cache'],
};

/** What an export returns when no hold has the number. An export that is not listed returns -EBADF. */
const withoutHold = {
	kindWindow: undefined,
	kindCollectedWindow: undefined,
	kindShare: undefined,
	kindLeave: false,
	kindListen: undefined,
	kindDereference: undefined,
	kindRawTables: undefined,
	kindPurge: 0,
	kindPurgeAsync: undefined,
	kindPrefaultAsync: undefined,
	kindWatch: undefined,
	kindNodes: undefined,
	kindCollectable: 0,
	kindStats: undefined,
	kindClassUse: undefined,
	kindForget: false,
	kindCloseAsync: undefined,
	kindClose: undefined,
	cacheCreate: undefined,
	cacheAttach: undefined,
	cacheShare: undefined,
	cacheCopy: false,
	cacheFreshFor: 0,
	cacheDelete: false,
	cacheAbandon: undefined,
	cacheClear: undefined,
	cacheSize: undefined,
	cacheList: undefined,
	cacheStats: undefined,
	cacheListen: undefined,
	cacheTakeRemoved: undefined,
	cacheClose: undefined,
};

const wrong = [
	undefined,
	null,
	true,
	NaN,
	Number.POSITIVE_INFINITY,
	-1,
	1.5,
	2 ** 53,
	2 ** 64,
	10n,
	'',
	'a\0b',
	Symbol('wrong'),
	{},
	[],
	new Int32Array(2),
	new SharedArrayBuffer(8),
	() => undefined,
];

const complaints = [];
const complain = (name, args, what) =>
	complaints.push(`${name}(${args.map((value) => inspect(value)).join(', ')}): ${what}`);

const good = (name) => parameters[name].map((sort) => sorts[sort][0]());

/** What the call throws or returns. */
function outcome(name, args) {
	try {
		return { value: native[name](...args) };
	} catch (error) {
		return { error };
	}
}

function expectRefusal(name, args) {
	const { error, value } = outcome(name, args);
	if (error === undefined) return complain(name, args, `it gave ${inspect(value)}`);
	if (!/^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/.test(error.code)) complain(name, args, error.stack);
}

const functions = Object.keys(native).filter((name) => typeof native[name] === 'function');
for (const name of new Set([...functions, ...Object.keys(parameters)])) {
	if (!functions.includes(name) || !(name in parameters)) complaints.push(`${name} is only in one of the lists`);
}

const descriptors = () => readdirSync('/proc/self/fd').length;
const before = { descriptors: descriptors(), stats: JSON.stringify(native.kindStats(id)) };

let calls = 0;
for (const name of functions) {
	const fits = parameters[name].map((sort) => sorts[sort][1]);
	for (const [position, isFit] of fits.entries()) {
		for (const value of wrong) {
			if (isFit(value)) continue;
			expectRefusal(name, good(name).with(position, value));
			calls++;
		}
		if (isFit(undefined)) continue;
		expectRefusal(name, good(name).slice(0, position));
		calls++;
	}
	for (const value of wrong) {
		if (fits.every((isFit) => isFit(value))) continue;
		expectRefusal(name, Array(7).fill(value));
		calls++;
	}
	if (!['id', 'cache', 'kindOfCaches'].includes(parameters[name][0])) continue;
	const args = [10 ** 9, ...good(name).slice(1)];
	const { error, value } = outcome(name, args);
	const expected = name in withoutHold ? withoutHold[name] : -constants.errno.EBADF;
	if (error !== undefined || !Object.is(value, expected))
		complain(name, args, error?.stack ?? `it gave ${inspect(value)}`);
	calls++;
}

// None of these calls has done anything.
const after = { descriptors: descriptors(), stats: JSON.stringify(native.kindStats(id)) };
if (JSON.stringify(before) !== JSON.stringify(after)) complaints.push(JSON.stringify({ before, after }));
for (const standard of [0, 1, 2]) fstatSync(standard);

// The arguments that were called good are good.
for (const name of functions) {
	// An earlier call may have released the mapping.
	mapping = map();
	if (name.startsWith('cache')) cache = makeCache();
	new Float64Array(native.mappingRequest).set([mapping.id, 0, 0, 0, 0]);
	const args = name === 'closeDescriptor' ? [native.openFile(file, false)] : good(name);
	const { error, value } = outcome(name, args);
	// This file system may not have such a call.
	if (error !== undefined && !(error.errno < 0)) complain(name, args, error.stack);
	if (name.startsWith('kindCreate') && value?.id !== undefined) native.kindClose(value.id);
	if (name === 'openFile') native.closeDescriptor(value);
	await value?.promise?.catch((rejection) => {
		if (!(rejection.errno < 0)) complain(name, args, rejection.stack);
	});
}

// Numbers that fit, but name nothing, or name something by chance.
const codes = [0, 1, 2, 16, 55, 56, 63, 64, 65, 128, 193, 8256];
const numbers = [...codes, 2 ** 16, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1];
const random = new Random(1);
const { id: scratch } = create();
const numeric = new Set(['uint32', 'count', 'length', 'code', 'units', 'alignment', 'out', 'fill', 'sort']);
const onBlocks = functions.filter((name) => {
	const [first, ...rest] = parameters[name];
	return first === 'id' && rest.length > 0 && rest.every((sort) => numeric.has(sort));
});
for (let turn = 0; turn < 20_000; turn++) {
	const name = random.pick(onBlocks);
	const args = [scratch, ...parameters[name].slice(1).map(() => random.pick(numbers))];
	const { error } = outcome(name, args);
	if (error !== undefined && !/^ERR_/.test(error.code)) complain(name, args, error.stack);
	calls++;
}
const { blocks, free, active, capacity } = native.kindStats(scratch);
if (free + active !== capacity || blocks < 0) complaints.push(JSON.stringify({ blocks, free, active, capacity }));
native.kindClose(scratch);
closeSync(fd);

console.log(JSON.stringify({ calls, complaints: complaints.slice(0, 50) }));
