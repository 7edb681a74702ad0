// What a kind tells a thread that holds it of, unasked.
import { checkMediaErrorOptions, type KindMediaErrorOptions, mediaErrorOptions } from './losses.ts';
import {
	type CheckedPressureOptions,
	checkPressureOptions,
	type KindPressureOptions,
	pressureOptions,
} from './pressure.ts';

/** What a kind tells a thread that creates it, or attaches to it, of. Each thread has listeners of its own. */
export interface KindNoticeOptions extends KindPressureOptions, KindMediaErrorOptions {}

/** The names of the options. */
export const noticeOptions = [...pressureOptions, ...mediaErrorOptions] as const;

/** The options, checked. */
export type CheckedNotices = CheckedPressureOptions & {
	onMediaError: KindMediaErrorOptions['onMediaError'] | undefined;
};

/** Checks the options, reading each once, and gives them: a getter could say something else the next time. */
export function checkNotices(options: KindNoticeOptions): CheckedNotices {
	return { ...checkPressureOptions(options), ...checkMediaErrorOptions(options) };
}
