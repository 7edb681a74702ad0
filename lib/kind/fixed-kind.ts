// The fixed kind: memory in a range that the caller owns, which is a mapping of one of the caller's files.
import { requireOptions } from '../arguments.ts';
import { invalidArgType } from '../errors.ts';
import { idOf, isMapping, type PmemMapping, requireUsable } from '../mapping/index.ts';
import type { KindHold } from '../native/kinds.ts';
import { native } from '../native.ts';
import { adopt } from './adopting.ts';
import { nameKind } from './attaching.ts';
import { Kind } from './kind.ts';
import { checkNotices, type KindNoticeOptions, noticeOptions } from './notices.ts';
import { debugOf, nameOf } from './options.ts';
import { stackOf } from './stacks.ts';

export interface FixedKindOptions extends KindNoticeOptions {
	/** What to call the kind in metrics and logs: `kind.name` in every thread. Default: its `path`. */
	name?: string;
	/** Debug mode, as in {@link PmemKindOptions}. */
	debug?: boolean;
}

const names = ['name', 'debug', ...noticeOptions];

/** The mapping of each kind. So the listener of a mapping that the caller has dropped still hears of lost pages. */
const mappingOf = new WeakMap<FixedKind, PmemMapping>();

/**
 * Memory in a mapping that the caller made with `mapFile`, and keeps: memkind's fixed kind. Nothing but blocks is ever
 * written there. Closing the kind leaves the mapping and its content as they are. The mapping cannot be unmapped
 * before.
 *
 * ```js
 * import { FixedKind, mapFile } from 'daxkind';
 * import { rmSync, writeFileSync } from 'node:fs';
 *
 * writeFileSync('/dev/shm/daxkind-fixed', Buffer.alloc(1024 * 1024));
 * const mapping = mapFile('/dev/shm/daxkind-fixed');
 * const kind = FixedKind.create(mapping);
 * kind.malloc(100).fill(1);
 * kind.close();
 * mapping.unmap();
 * rmSync('/dev/shm/daxkind-fixed');
 * ```
 */
export class FixedKind extends Kind {
	declare readonly type: 'fixed';
	static {
		nameKind('fixed', FixedKind, (hold) => new FixedKind(hold));
	}

	private constructor(hold: KindHold) {
		super(hold, 'FixedKind.create(mapping)');
	}

	/**
	 * Creates a kind over the whole of a mapping. There is no smallest size. The memory is divided into units of 1 KiB:
	 * a longer block takes whole units, and blocks of up to 8 KiB share some.
	 *
	 * @param mapping What `mapFile` made. It must be writable.
	 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for an unknown option; Error ERR_INVALID_STATE if
	 *   the mapping is unmapped, transferred or not writable, or if this process has an open kind over bytes of the same
	 *   file, by this mapping or by another one. Kinds of other processes are not seen.
	 */
	static create(mapping: PmemMapping, options: FixedKindOptions = {}): FixedKind {
		const stack = stackOf(FixedKind.create);
		if (!isMapping(mapping)) throw invalidArgType('mapping', 'an instance of PmemMapping', mapping);
		const given = requireOptions<FixedKindOptions>('options', options, names);
		const debug = debugOf(given);
		const name = nameOf(given);
		const notices = checkNotices(given);
		requireUsable(mapping);
		const hold = native.kindCreateFixed(idOf(mapping), mapping.path ?? 'a mapping', debug);
		const kind = adopt(hold, { notices, name, isShared: false }, () => new FixedKind(hold), stack);
		mappingOf.set(kind, mapping);
		return kind;
	}
}
