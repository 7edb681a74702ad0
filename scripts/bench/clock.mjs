// The clocks of a measurement, in nanoseconds: CPU time of the main thread (which is where malloc and free run; another
// program on the same core does not count), CPU time of the whole process (with V8's helper threads), wall time.
import { openSync, readSync } from 'node:fs';

// Its first number is the time that the thread has been on a CPU. The main thread's id is the process's.
const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
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

/** Runs a function and returns the time that it took, per operation. */
export function measure(operations, run) {
	const process = processTime();
	const thread = hasThreadTime ? threadTime() : process;
	const wall = performance.now();
	run(operations);
	const wallEnd = performance.now();
	const threadEnd = hasThreadTime ? threadTime() : processTime();
	return {
		cpu: (threadEnd - thread) / operations,
		wall: ((wallEnd - wall) * 1e6) / operations,
		process: (processTime() - process) / operations,
	};
}
