import { test } from 'vitest';
import { runNativeTest, timeout } from './native-test.ts';

test(
	'the C++ core agrees with a reference model under random calls, and leaves nothing behind whichever system call fails',
	{
		timeout,
	},
	(context) => runNativeTest(context, 'core'),
);

test(
	'the addon touches no memory but its own, whatever is done with kinds, blocks and threads',
	{
		timeout,
	},
	(context) => runNativeTest(context, 'addon'),
);
