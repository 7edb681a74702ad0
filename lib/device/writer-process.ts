// The process that writes to sysfs for another (writer.ts): a write that does not return can be ended with it.
import { close, constants, open, write } from 'node:fs';
import type { SystemError } from '../errors.ts';
import type { Answer, Order } from './writer.ts';

const answer = (error: unknown) => {
	const { errno, syscall } = (error ?? {}) as SystemError;
	process.send!((error ? { errno, syscall } : {}) satisfies Answer);
};

process.on('message', ({ path, text }: Order) => {
	// Never created: what is missing in sysfs is to be ENOENT.
	open(path, constants.O_WRONLY, (refused, fd) => {
		if (refused) return answer(refused);
		write(fd, text, (failed) => close(fd, (late) => answer(failed ?? late)));
	});
});
// Whatever ended the other process: a thread of this one may be in a write that only this ends.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
