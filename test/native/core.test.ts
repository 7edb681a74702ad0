import { test } from 'vitest';
import { runNativeTest, timeout } from './native-test.ts';

test(
	'the C++ core agrees with a reference model under random calls, and leaves nothing behind whichever system call fails',
	{
		timeout,
	},
	(context) => runNativeTest(context, 'core'),
);
