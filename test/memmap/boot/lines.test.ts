// A kernel argument as each place wants it written. The shells that read such a place read it here.
// test/memmap/boot/grub.test.ts uses GRUB itself.
import { describe, expect, test } from 'vitest';
import { bootLines } from '#lib/memmap/boot/index.js';
import { spawnSync } from '../../helpers/children.ts';

const several = 'memmap=4G!4G memmap=1G!12G nokaslr';
const dollar = 'memmap=64M$0x100000000';
const kernelArguments = ['memmap=4G!4G', 'memmap=4G!4G,1G!12G', several, dollar, `${dollar},1G!8G nokaslr`];

const run = (program: string, args: string[], input = '') => {
	const { stdout, stderr } = spawnSync(program, args, {
		encoding: 'utf8',
		input,
		env: { PATH: process.env.PATH, HISTFILE: '' },
	});
	return { stdout, stderr };
};

/** What the command gets when a person types a line into bash. */
const typed = (line: string) => run('bash', ['--norc', '--noprofile', '-i'], `true 1\ntrue 2\n${line}\n`);

describe('a word of a shell', () => {
	test.each(kernelArguments)('%s is the same behind a shell, also where history is expanded', (argument) => {
		const line = `printf '%s\\n' ${bootLines(argument).shell}`;
		expect(run('sh', ['-c', line]).stdout).toBe(`${argument}\n`);
		expect(run('bash', ['-c', line]).stdout).toBe(`${argument}\n`);
		expect(typed(line).stdout).toBe(`${argument}\n`);
	});

	test('in double quotes an interactive bash would expand it', () => {
		expect(typed('printf \'%s\\n\' "memmap=4G!4G"')).toMatchObject({ stdout: expect.not.stringContaining('4G!4G') });
	});
});

describe('a line of /etc/default/grub', () => {
	test.each(kernelArguments)('%s stands behind what was there, as GRUB reads it', (argument) => {
		const { grubDefault, grubMenu } = bootLines(argument);
		for (const [before, expected] of [
			['GRUB_CMDLINE_LINUX="console=ttyS0"', 'console=ttyS0 '],
			['', ' '],
		]) {
			const script = `set -e\n${before}\n${grubDefault}\nprintf '%s\\n' "$GRUB_CMDLINE_LINUX"\n`;
			for (const shell of ['sh', 'bash']) expect(run(shell, [], script).stdout).toBe(`${expected}${grubMenu}\n`);
		}
	});

	test('the file of its own has that line', () => {
		const { grubDropIn, grubDefault } = bootLines('memmap=4G!4G');
		expect(grubDropIn.path).toMatch(/^\/etc\/default\/grub\.d\/[\w-]+\.cfg$/);
		expect(grubDropIn.text.split('\n').filter((line) => !line.startsWith('#'))).toEqual([grubDefault, '']);
	});
});

test('bootLines writes the argument as each place needs it', () => {
	expect(bootLines(several)).toEqual({
		kernel: several,
		shell: `'${several}'`,
		grubMenu: several,
		grubDefault: `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${several}"`,
		grubDropIn: { path: expect.any(String), text: expect.any(String) },
		// grubby keeps one memmap= argument at most.
		grubby: "grubby --update-kernel=ALL --args='memmap=4G!4G,1G!12G nokaslr'",
		loaderEntry: several,
		grubLoaderEntry: several,
	});
	expect(bootLines(dollar)).toMatchObject({
		kernel: dollar,
		grubMenu: 'memmap=64M\\$0x100000000',
		grubDefault: 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX memmap=64M\\\\\\$0x100000000"',
		grubby: undefined,
		loaderEntry: dollar,
		grubLoaderEntry: undefined,
	});
	expect(bootLines('  memmap=4G!4G  ').kernel).toBe('memmap=4G!4G');
});

describe('what is no argument of this sort', () => {
	test.each([
		['nothing', ''],
		['nokaslr alone', 'nokaslr'],
		['another argument', 'quiet memmap=4G!4G'],
		['a limit of memory', 'memmap=4G'],
		['no start', 'memmap=4G!'],
		['an empty range', 'memmap=4G!4G,'],
		['a size of 0', 'memmap=0!4G'],
		['a size of 0 in hexadecimal', 'memmap=0x0!4G'],
		['an octal number', 'memmap=010M!4G'],
		['not a number', 'memmap=xG!4G'],
		['a range that the kernel may use', 'memmap=4G@4G'],
		['a newline', 'memmap=4G!4G\nmemmap=4G!8G'],
		['a tab', 'memmap=4G!4G\tquiet'],
		['a NUL', 'memmap=4G!4G\0'],
		['a quote', 'memmap=4G!4G"'],
		['an apostrophe', "memmap=4G!4G'"],
		['a backslash', 'memmap=4G\\$4G'],
		['a command', 'memmap=4G!4G;reboot'],
		['a substitution', 'memmap=4G!$(reboot)'],
		['letters like those', 'memmap=4Ｇ!4G'],
	])('%s', (_, argument) => {
		expect(() => bootLines(argument)).toThrow(
			expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining('memmap=SIZE!START') }),
		);
	});

	test.each([undefined, null, 4, ['memmap=4G!4G']])('%s', (argument) => {
		expect(() => bootLines(argument as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
	});
});
