// The clocks of a measurement, in nanoseconds: CPU time of this thread (which is where malloc and free run; another
// program on the same core does not count), CPU time of the whole process (with V8's helper threads), wall time.
import { openSync, readSync } from 'node:fs';

// Its first number is the time that the thread has been on a CPU.
const schedstat = openSync('/proc/thread-self/schedstat', 'r');
const text = Buffer.alloc(128);
const pause = new Int32Array(new SharedArrayBuffer(4));

function processTime() {
	const { user, system } = process.cpuUsage();
	return (user + system) * 1000;
}

function threadTime() {
	// The kernel brings the number up to date when the thread leaves the CPU, so it sleeps for an instant.
	Atomics.wait(pause, 0, 0, 0.01);
	const length = readSync(schedstat, text, 0, text.length, 0);
	return Number(text.latin1Slice(0, length).split(' ', 1)[0]);
}

/** False where the kernel was built without scheduler information; the process's time has to do then. */
const hasThreadTime = threadTime() > 0;

/** Since some moment that is the same for all threads. */
const wallTime = () => Number(process.hrtime.bigint());

/** Runs a function and returns the time that it took, per operation, and from when to when. */
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
