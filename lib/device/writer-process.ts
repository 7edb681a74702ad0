// The process that writes to sysfs for another one (writer.ts). If a write does not return, ending the process ends it.
import { close, constants, open, write } from 'node:fs';
import type { SystemError } from '../errors.ts';
import type { Answer, Order } from './writer.ts';

const answer = (error: unknown) => {
	const { errno, syscall } = (error ?? {}) as SystemError;
	process.send!((error ? { errno, syscall } : {}) satisfies Answer);
};

process.on('message', ({ path, text }: Order) => {
	// The file is never created: what is missing in sysfs has to be ENOENT.
	open(path, constants.O_WRONLY, (refused, fd) => {
		if (refused) return answer(refused);
		write(fd, text, (failed) => close(fd, (late) => answer(failed ?? late)));
	});
});
// The other process has ended, whatever the cause. A thread of this process may be in a write, and only SIGKILL ends
// that.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
