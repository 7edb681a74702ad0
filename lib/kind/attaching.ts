// Joins a kind that another thread of the process has shared.
import { requireOptions } from '../arguments.ts';
import { daxkindError, invalidArgValue } from '../errors.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { adopt } from './adopting.ts';
import { checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { requireSharedKind } from './references.ts';
import { stackOf } from './stacks.ts';

/** A class of kinds, such as PmemKind. */
export interface KindClass<K extends object> {
	readonly prototype: K;
	readonly name: string;
}

interface Maker {
	type: KindClass<object>;
	make: (hold: KindHold) => object;
}

const makers = new Map<KindHold['type'], Maker>();

/**
 * Says which class the holds of a type become, and gives the class an `attach` and a name for
 * `Object.prototype.toString`. Each class calls this for itself, because Kind cannot know the classes that extend it.
 *
 * Every `attach` has the type of `Kind.attach`: TypeScript lets no class narrow a generic static method of its base.
 */
export function nameKind(type: KindHold['type'], of: KindClass<object>, make: (hold: KindHold) => object): void {
	makers.set(type, { type: of, make });
	const { attach } = {
		attach: (shared: unknown, options?: unknown): object => attachKind(of, shared, options, stackOf(attach)),
	};
	Object.defineProperty(of, 'attach', { value: attach, writable: true, configurable: true });
	Object.defineProperty(of.prototype, Symbol.toStringTag, { value: of.name, configurable: true });
}

/**
 * The `attach` of a class.
 *
 * @param stack Where it was called.
 */
export function attachKind<K extends object>(type: KindClass<K>, shared: unknown, options: unknown, stack: string): K {
	const { process, number, secret, name } = requireSharedKind(shared);
	const given = requireOptions<KindNoticeOptions>('options', options as KindNoticeOptions, noticeOptions);
	const notices = checkNotices(given);
	const hold = native.kindAttach(process, number, secret);
	if (hold === undefined) {
		throw daxkindError(
			'ERR_DAXKIND_KIND_GONE',
			'There is no such kind in this process: every thread that held it has closed it, another process made it, or another copy of the package daxkind made it',
		);
	}
	const make = () => {
		const maker = makers.get(hold.type)!;
		const isOfType = maker.type === type || Object.prototype.isPrototypeOf.call(type.prototype, maker.type.prototype);
		if (!isOfType) throw invalidArgValue('shared', `a shared ${type.name}`, `a shared ${maker.type.name}`);
		return maker.make(hold) as K;
	};
	return adopt(hold, { notices, name, isShared: true }, make, stack);
}
