// Has apt find and download packages. They are unpacked and not installed. They are packages of this machine, or of
// another architecture. The latter need package lists of their own, because apt and dpkg of this machine have to stay
// as they are.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asRoot } from '../format.ts';
import { execute } from './process.ts';
import { findProgram } from './programs.ts';

/** How to call apt. */
export interface Apt {
	/** Options for each of apt's programs. */
	options: readonly string[];
	/** What a person can do when these package lists are old. */
	hint: string;
}

/** How one run calls apt, reports its failures and ends early. */
interface Run {
	apt: Apt;
	/** Makes an error that says what went wrong. */
	failed: (why: string) => Error;
	signal: AbortSignal | undefined;
}

const updateCommand = () => asRoot('apt-get update');

/** Whether this machine has apt and dpkg-deb. */
export const hasApt = (): boolean => ['apt-cache', 'apt-get', 'dpkg-deb'].every((name) => findProgram(name));

/** As root, apt would download as the user _apt. That user may not write here, and apt would warn. */
const sandbox = () => (process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : []);

/** Finds the packages of this machine by its own lists. */
export const nativeApt = (): Apt => ({
	options: sandbox(),
	hint: `\n  If the package lists are old, update them with\n  ${updateCommand()}`,
});

/** Where Debian's package debian-archive-keyring has the keys of its archive. */
const debianKeys = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * The source of newer packages (backports) for a Debian release, on the server that has the release itself. Undefined
 * where this machine is no Debian.
 *
 * @param targets The sources of apt's package lists, one a line: address, release, component and origin, between bars.
 * @param codename The release of this machine, as in /etc/os-release.
 */
export function backportsSource(targets: string, codename: string, keys?: string): string | undefined {
	const [address] =
		targets
			.split('\n')
			.map((line) => line.split('|'))
			.find(([, release, component, origin]) => release === codename && component === 'main' && origin === 'Debian') ??
		[];
	if (!address) return undefined;
	const lines = ['Types: deb', `URIs: ${address}`, `Suites: ${codename}-backports`, 'Components: main'];
	return `${[...lines, ...(keys === undefined ? [] : [`Signed-By: ${keys}`])].join('\n')}\n`;
}

/**
 * The configuration of apt for another architecture. It has this machine's sources and keys. Lists, cache and the
 * (empty) table of installed packages are below `directory`. It has no hooks, because those of this machine are about
 * its own updates.
 *
 * @param sources A directory of sources that replace this machine's.
 */
export const foreignConfiguration = (
	architecture: string,
	directory: string,
	sources?: string,
): string => `#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
Acquire::Languages "none";
Dir::State "${directory}/state";
Dir::State::lists "${directory}/state/lists";
Dir::State::status "${directory}/status";
Dir::Cache "${directory}/cache";
Dir::Cache::archives "${directory}/cache/archives";
${sources === undefined ? '' : `Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "${sources}";\n`}`;

/**
 * Finds the packages of another architecture, in the newest versions that this machine's sources have. It downloads the
 * lists, some ten megabytes.
 *
 * @param architecture Debian's name of it.
 * @param directory Where apt keeps its files. The caller removes it.
 * @param sources A directory of sources that replace this machine's.
 */
export async function foreignApt(
	architecture: string,
	directory: string,
	{ failed, signal }: Omit<Run, 'apt'>,
	sources?: string,
): Promise<Apt> {
	for (const path of ['state/lists/partial', 'cache/archives/partial']) {
		mkdirSync(join(directory, path), { recursive: true });
	}
	writeFileSync(join(directory, 'status'), '');
	const configuration = join(directory, 'apt.conf');
	writeFileSync(configuration, foreignConfiguration(architecture, directory, sources));
	const apt: Apt = {
		options: ['-c', configuration, ...sandbox()],
		hint: `\n  apt on this machine must have a source with packages for ${architecture}: Debian's sources have them; Ubuntu has them in another source (ports)`,
	};
	await aptGet(['update'], directory, { apt, failed, signal });
	return apt;
}

/**
 * Finds the newer packages (backports) that Debian has for this machine's release, even where the machine itself does
 * not use them. Undefined where there are no backports.
 *
 * @param apt The packages of the release itself.
 */
export async function backportsApt(architecture: string, directory: string, run: Run): Promise<Apt | undefined> {
	const format = '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)';
	const asked = ['indextargets', ...run.apt.options, '--format', format, 'Created-By: Packages'];
	const { stdout } = await execute(findProgram('apt-get')!, asked);
	const codename = /^VERSION_CODENAME=(\S+)/m.exec(readOrEmpty('/etc/os-release'))?.[1] ?? '';
	const source = backportsSource(stdout.toString(), codename, existsSync(debianKeys) ? debianKeys : undefined);
	if (source === undefined) return undefined;
	const sources = join(directory, 'sources');
	mkdirSync(sources, { recursive: true });
	writeFileSync(join(sources, 'backports.sources'), source);
	return foreignApt(architecture, directory, run, sources);
}

const readOrEmpty = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

async function must(
	program: string,
	args: readonly string[],
	cwd: string,
	{ failed, signal, hint = '' }: Omit<Run, 'apt'> & { hint?: string },
): Promise<void> {
	const { status, stderr } = await execute(findProgram(program) ?? program, args, { cwd, signal });
	signal?.throwIfAborted();
	if (status === 0) return;
	const last = stderr.trim().split('\n').slice(-5).join('\n  ');
	throw failed(`${program} ${args.find((arg) => /^[a-z]/.test(arg)) ?? ''} failed:\n  ${last}${hint}`);
}

const aptGet = (args: readonly string[], cwd: string, { apt, failed, signal }: Run) =>
	must('apt-get', ['-q', ...apt.options, ...args], cwd, { failed, signal, hint: apt.hint });

/** What `apt-cache depends` prints about a package. Empty where apt does not know it. */
export async function dependencies({ options }: Apt, name: string): Promise<string> {
	return (await execute(findProgram('apt-cache')!, [...options, 'depends', name])).stdout.toString();
}

/** Unpacks every package in a directory into `tree`. */
async function unpack(directory: string, tree: string, run: Run): Promise<void> {
	for (const file of readdirSync(directory)) {
		if (file.endsWith('.deb')) await must('dpkg-deb', ['-x', join(directory, file), tree], tree, run);
	}
}

/** Makes `directory`, downloads packages into it, and unpacks them into `tree`. */
export async function unpackPackages(packages: readonly string[], directory: string, tree: string, run: Run) {
	mkdirSync(directory, { recursive: true });
	await aptGet(['download', ...packages], directory, run);
	await unpack(directory, tree, run);
}

/**
 * Does the same with these packages and all that they depend on. Use it only with {@link foreignApt}: the native apt
 * would leave out what is installed here.
 */
export async function unpackWithDependencies(
	packages: readonly string[],
	directory: string,
	tree: string,
	run: Run,
): Promise<void> {
	mkdirSync(join(directory, 'partial'), { recursive: true });
	// No lock is needed, because no other process knows the directory.
	const options = ['-o', `Dir::Cache::archives=${directory}`, '-o', 'Debug::NoLocking=1', '-y', '--download-only'];
	await aptGet(['install', '--no-install-recommends', ...options, ...packages], directory, run);
	await unpack(directory, tree, run);
}

/** Runs depmod on the modules of one kernel. */
export const indexModules = (tree: string, release: string, run: Omit<Run, 'apt'>) =>
	must('depmod', ['-b', tree, release], tree, run);
