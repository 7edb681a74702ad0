import { test } from 'vitest';
import { runNativeTest, timeout } from './native-test.ts';

test(
	'whichever system call of the addon fails, there is an error that names it, and nothing is left behind',
	{
		timeout,
	},
	(context) => runNativeTest(context, 'faults'),
);
