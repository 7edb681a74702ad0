// Finds the lines of a guest's console that tell a person why the guest died.

/** Lines that a kernel prints around a panic's message: the call trace, registers and code. */
const dump =
	/^(?: \?? ?[\w.]+\+0x|<\/?TASK>| <\/?TASK>|Call Trace:|RIP: |RSP: |Code: |[A-Z]{2,3}\w{0,2}: |CPU: |Hardware name: |Kernel Offset: |CR2: |FS: )/;
const timestamp = /^\[ *\d+\.\d+\] ?/;
const ESC = '\u001b';
/** UEFI firmware clears the screen and moves the cursor with these (ECMA-48, control sequences). */
const controlSequence = new RegExp(`${ESC}\\[[0-?]*[ -/]*[@-~]`, 'g');
const SHOWN = 8;

/**
 * Returns the last lines of the console. Where the kernel panicked, they end with the panic's message. Dumps are left
 * out.
 */
export function deathInConsole(log: string): string {
	const lines = log
		.replace(controlSequence, '')
		.split(/\r*\n/)
		.map((line) => line.trimEnd())
		.filter((line) => line !== '' && !dump.test(line.replace(timestamp, '')));
	const panic = lines.findIndex((line) => line.includes('Kernel panic'));
	return (panic < 0 ? lines : lines.slice(0, panic + 1)).slice(-SHOWN).join('\n  ');
}
