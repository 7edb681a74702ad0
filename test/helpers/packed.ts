// The package as its users get it: packed with the binaries that it is published with. And projects that have it as a
// dependency.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import { isCI } from '../../scripts/packages.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A directory for a test file's projects. It is removed after the file's tests. It is not on tmpfs, which is small in
 * many containers.
 */
export function projectsDirectory(parent = tmpdir()): string {
	const directory = mkdtempSync(join(parent, 'daxkind-projects-'));
	afterAll(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}

/** The file of the package's binary for an architecture. */
export const binaryOf = (arch: string) => join(root, `prebuilds/linux-${arch}/daxkind.glibc.node`);

/**
 * The environment of a person's shell: without what `npm test` and the runner put there, but with npm's configuration.
 */
const environment = Object.fromEntries(
	Object.entries(process.env).filter(([name]) => !/^(npm_(?!config_)|INIT_CWD|NODE_ENV|VITEST)/.test(name)),
);

/**
 * Runs a program to its end.
 *
 * @returns Everything that it printed.
 * @throws If it fails. The `message` has all that it printed.
 */
export async function said(cwd: string, command: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
	const [program, ...args] = command as [string, ...string[]];
	const options = { cwd, env: { ...environment, ...env }, maxBuffer: 2 ** 26 };
	try {
		const { stdout, stderr } = await promisify(execFile)(program, args, options);
		return stdout + stderr;
	} catch (error) {
		const { message, stdout } = error as Error & { stdout?: string };
		throw new Error(`${message}\n${stdout}`, { cause: error });
	}
}

/**
 * Makes the binaries that are missing or old, as far as this machine can, and packs the package. It takes minutes if it
 * has to compile.
 */
export async function pack(directory: string): Promise<string> {
	await said(root, [process.execPath, 'scripts/prebuild.mjs', '--if-needed']);
	const command = ['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', directory];
	return join(directory, (await said(root, command)).trim());
}

/** Makes an empty project with a program in it. */
export function emptyProject(directory: string, program: string): string {
	const project = mkdtempSync(join(directory, 'project-'));
	writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }\n');
	writeFileSync(join(project, 'app.mjs'), program);
	return project;
}

/**
 * Makes the same project with the packed package in it. It needs no package manager: the dependencies are those of this
 * folder.
 */
export async function projectWith(tarball: string, directory: string, program: string): Promise<string> {
	const project = emptyProject(directory, program);
	const place = join(project, 'node_modules/daxkind');
	mkdirSync(place, { recursive: true });
	await said(place, ['tar', '-xzf', tarball, '--strip-components=1']);
	symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
	return project;
}

/**
 * The reason why npm's registry cannot be reached; undefined if it can. In CI it must be reachable, or the tests fail.
 */
export async function registryProblem(): Promise<string | undefined> {
	if (isCI) return undefined;
	try {
		await said(root, ['npm', 'view', '--fetch-retries=0', 'commander', 'version']);
		return undefined;
	} catch (error) {
		const { message } = error as Error;
		if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(message)) throw error;
		return `npm's registry cannot be reached: ${message}`;
	}
}
