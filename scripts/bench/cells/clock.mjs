// The clocks of a measurement, in nanoseconds. CPU time of this thread: malloc and free run here, and another program
// on the same core does not count. CPU time of the whole process, with V8's helper threads. Wall time.
import { openSync, readSync } from 'node:fs';

// The file's first number is the time that the thread has been on a CPU.
const schedstat = openSync('/proc/thread-self/schedstat', 'r');
const text = Buffer.alloc(128);
const pause = new Int32Array(new SharedArrayBuffer(4));

function processTime() {
	const { user, system } = process.cpuUsage();
	return (user + system) * 1000;
}

function threadTime() {
	// The kernel updates the number when the thread leaves the CPU, so the thread sleeps for an instant.
	Atomics.wait(pause, 0, 0, 0.01);
	const length = readSync(schedstat, text, 0, text.length, 0);
	return Number(text.latin1Slice(0, length).split(' ', 1)[0]);
}

/** False where the kernel was built without scheduler information. The process's time is used instead then. */
const hasThreadTime = threadTime() > 0;

/** The time since some moment that is the same for all threads. */
const wallTime = () => Number(process.hrtime.bigint());

/** Runs a function. Returns the time that it took for each operation, and when it began and ended. */
export function measure(operations, run) {
	const process = processTime();
	const thread = hasThreadTime ? threadTime() : process;
	const from = wallTime();
	run(operations);
	const to = wallTime();
	const threadEnd = hasThreadTime ? threadTime() : processTime();
	return {
		cpu: (threadEnd - thread) / operations,
		wall: (to - from) / operations,
		process: (processTime() - process) / operations,
		from,
		to,
	};
}
