// The process that writes to sysfs for another (writer.ts): a write that does not return can be ended with it.
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { SystemError } from '../errors.ts';
import type { Answer, Order } from './writer.ts';

function write({ path, text }: Order): Answer {
	try {
		// Never created: what is missing in sysfs is to be ENOENT.
		const fd = openSync(path, constants.O_WRONLY);
		try {
			writeSync(fd, text);
		} finally {
			closeSync(fd);
		}
		return {};
	} catch (error) {
		const { errno, syscall } = error as SystemError;
		return { errno, syscall };
	}
}

process.on('message', (order: Order) => process.send!(write(order)));
process.on('disconnect', () => process.exit());
