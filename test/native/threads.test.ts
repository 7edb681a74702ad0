import { test } from 'vitest';
import { runNativeTest, timeout } from './native-test.ts';

test('threads that share a heap race for nothing', { timeout }, (context) => runNativeTest(context, 'threads'));
