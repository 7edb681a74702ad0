// A model of what the kernel does with devices of the dax bus and with memory blocks, on a tree of files. It behaves as
// Linux 6.1 and 6.12 were seen to behave. It is for what cannot be made to happen in a VM: drivers that refuse, blocks
// that do not come online, another process that is faster.
import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import type { Kernel, WriteOptions } from '#lib/device/kernel.js';
import { treeAt } from '#lib/tree.js';
import { type Entries, makeTree, memoryBlocks } from './tree.ts';

const memory = '/sys/devices/system/memory';
const drivers = '/sys/bus/dax/drivers';

type Code = 'EINVAL' | 'EBUSY' | 'ENODEV' | 'ENOMEM';

export class WriteError extends Error {
	readonly syscall = 'write';
	readonly code: Code;

	constructor(code: Code) {
		super(code);
		this.code = code;
	}
}

export interface Behaviour {
	/** Drivers that take no device. */
	refusing?: string[];
	/** Memory blocks that do not come online (`stuckOffline`), or do not go offline (`stuckOnline`). */
	stuckOffline?: number[];
	stuckOnline?: number[];
	/** A module that takes a device as soon as it is loaded. */
	eager?: { driver: string; device: string };
	/** What modprobe says without having brought a driver. */
	modprobe?: string;
	/** What another process does just before a write. */
	before?: (path: string, text: string) => void;
	/**
	 * What happens after a write has had its effect but before it returns. It stands for a writer that is killed there.
	 */
	after?: (path: string, text: string) => void;
}

export class FakeKernel implements Kernel {
	/** All writes, in their order. */
	readonly written: string[] = [];
	/** Whether a driver let go of memory that was online. The device is useless until the next boot. */
	isDead = false;

	readonly root: string;
	readonly blocks: readonly number[];
	readonly behaviour: Behaviour;

	/**
	 * @param root The directory of the tree of files.
	 * @param blocks The numbers of the memory blocks that a device has as system RAM.
	 */
	constructor(root: string, blocks: readonly number[], behaviour: Behaviour = {}) {
		this.root = root;
		this.blocks = blocks;
		this.behaviour = behaviour;
	}

	get tree() {
		return treeAt(this.root);
	}

	#directory(device: string) {
		return this.tree.resolve(`/sys/bus/dax/devices/${device}`)!;
	}

	driver(device: string): string | undefined {
		const driver = this.tree.resolve(`${this.#directory(device)}/driver`);
		return driver && basename(driver);
	}

	state(block: number): string {
		return readFileSync(`${this.root}${memory}/memory${block}/state`, 'utf8').trim();
	}

	/** The zones of the blocks that are online. */
	zones(): Record<number, string> {
		const online = this.blocks.filter(
			(block) => existsSync(`${this.root}${memory}/memory${block}`) && this.state(block) === 'online',
		);
		return Object.fromEntries(
			online.map((block) => [block, this.tree.read(`${memory}/memory${block}/valid_zones`).value!]),
		);
	}

	setBlock(block: number, state: 'online' | 'offline', zone: string): void {
		const at = `${this.root}${memory}/memory${block}`;
		writeFileSync(`${at}/state`, `${state}\n`);
		writeFileSync(`${at}/valid_zones`, `${state === 'offline' ? 'Normal Movable' : zone}\n`);
	}

	#bind(driver: string, device: string): void {
		if (this.driver(device) !== undefined || this.isDead) throw new WriteError('EBUSY');
		if (this.behaviour.refusing?.includes(driver)) throw new WriteError('EINVAL');
		symlinkSync(`${drivers}/${driver}`, `${this.root}${this.#directory(device)}/driver`);
		if (driver !== 'kmem') return;
		const policy = this.tree.read(`${memory}/auto_online_blocks`).value;
		const { [`${memory}/block_size_bytes`]: _, ...entries } = memoryBlocks(
			Object.fromEntries(this.blocks.map((block) => [block, { state: 'offline', zones: 'Normal Movable' }])),
		);
		makeTree(this.root, entries as Entries);
		if (policy === 'offline') return;
		for (const block of this.blocks) this.setBlock(block, 'online', policy === 'online_movable' ? 'Movable' : 'Normal');
	}

	#unbind(driver: string, device: string): void {
		if (this.driver(device) !== driver) throw new WriteError('ENODEV');
		unlinkSync(`${this.root}${this.#directory(device)}/driver`);
		if (driver !== 'kmem') return;
		if (Object.keys(this.zones()).length > 0) this.isDead = true;
		else for (const block of this.blocks) rmSync(`${this.root}${memory}/memory${block}`, { recursive: true });
	}

	#setState(block: number, text: string): void {
		const isToOnline = text !== 'offline';
		if (isToOnline === (this.state(block) === 'online')) throw new WriteError('EINVAL');
		if (isToOnline && this.behaviour.stuckOffline?.includes(block)) throw new WriteError('ENOMEM');
		if (!isToOnline && this.behaviour.stuckOnline?.includes(block)) throw new WriteError('EBUSY');
		this.setBlock(block, isToOnline ? 'online' : 'offline', text === 'online_movable' ? 'Movable' : 'Normal');
	}

	async write(path: string, text: string, { signal }: WriteOptions = {}): Promise<void> {
		signal?.throwIfAborted();
		this.behaviour.before?.(path, text);
		this.written.push(`${path.replace(/^\/sys\/(bus\/dax\/drivers|devices\/system\/memory)\//, '')} ${text}`);
		const [, driver = '', file] = /\/drivers\/(\w+)\/(\w+)$/.exec(path) ?? [];
		const [, block] = /\/memory(\d+)\/state$/.exec(path) ?? [];
		if (file === 'unbind') this.#unbind(driver, text);
		else if (file === 'bind') this.#bind(driver, text);
		else if (file === 'new_id') {
			try {
				this.#bind(driver, text);
			} catch {
				// A write to new_id does not say whether the driver was bound.
			}
		} else if (block !== undefined) this.#setState(Number(block), text);
		else if (file !== 'remove_id') writeFileSync(`${this.root}${path}`, `${text}\n`);
		this.behaviour.after?.(path, text);
		signal?.throwIfAborted();
	}

	async loadModule(name: string): Promise<string> {
		this.written.push(`modprobe ${name}`);
		if (this.behaviour.modprobe !== undefined) return this.behaviour.modprobe;
		mkdirSync(`${this.root}${drivers}/${name}`, { recursive: true });
		const { eager } = this.behaviour;
		if (eager?.driver === name && this.driver(eager.device) === undefined) this.#bind(name, eager.device);
		return '';
	}

	/** The names of the memory blocks that exist. */
	present(): string[] {
		return readdirSync(`${this.root}${memory}`).filter((name) => /^memory\d+$/.test(name));
	}
}
