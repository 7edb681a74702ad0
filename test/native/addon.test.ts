import { test } from 'vitest';
import { runNativeTest, timeout } from './native-test.ts';

test(
	'the addon touches no memory but its own, whatever is done with kinds, blocks and threads',
	{
		timeout,
	},
	(context) => runNativeTest(context, 'addon'),
);
