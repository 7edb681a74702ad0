// Finds in a guest's console what tells a person why the guest died.

/** What a kernel prints around a panic's message: the call trace, registers and code. */
const dump =
	/^(?: \?? ?[\w.]+\+0x|<\/?TASK>| <\/?TASK>|Call Trace:|RIP: |RSP: |Code: |[A-Z]{2,3}\w{0,2}: |CPU: |Hardware name: |Kernel Offset: |CR2: |FS: )/;
const timestamp = /^\[ *\d+\.\d+\] ?/;
const ESC = '\u001b';
/** What UEFI firmware clears the screen and moves the cursor with (ECMA-48, control sequences). */
const controlSequence = new RegExp(`${ESC}\\[[0-?]*[ -/]*[@-~]`, 'g');
const SHOWN = 8;

/** The lines of the console, last ones first to be kept, up to and including a panic's message, without the dump that follows it. */
export function deathInConsole(log: string): string {
	const lines = log
		.replace(controlSequence, '')
		.split(/\r*\n/)
		.map((line) => line.trimEnd())
		.filter((line) => line !== '' && !dump.test(line.replace(timestamp, '')));
	const panic = lines.findIndex((line) => line.includes('Kernel panic'));
	return (panic < 0 ? lines : lines.slice(0, panic + 1)).slice(-SHOWN).join('\n  ');
}
