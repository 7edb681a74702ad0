// The notices that a kind sends to a thread that holds it: memory runs short, memory is lost.
import { checkMediaErrorOptions, type KindMediaErrorOptions, mediaErrorOptions } from './losses.ts';
import {
	type CheckedPressureOptions,
	checkPressureOptions,
	type KindPressureOptions,
	pressureOptions,
} from './pressure.ts';

/** The listeners of a thread that creates a kind, or attaches to it. Each thread has its own. */
export interface KindNoticeOptions extends KindPressureOptions, KindMediaErrorOptions {}

/** The names of the options. */
export const noticeOptions = [...pressureOptions, ...mediaErrorOptions] as const;

/** The options, checked. */
export type CheckedNotices = CheckedPressureOptions & {
	onMediaError: KindMediaErrorOptions['onMediaError'] | undefined;
};

/**
 * Checks the options and returns them. It reads each one once, because a getter could say something else the next time.
 */
export function checkNotices(options: KindNoticeOptions): CheckedNotices {
	return { ...checkPressureOptions(options), ...checkMediaErrorOptions(options) };
}
