// Decides whether the guest runs on KVM. It does only after a probe boot has proved that KVM works here: /dev/kvm may
// exist and still boot no kernel.
import { accessSync, constants, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import { GIB } from '../size.ts';
import { cacheDirectory, cacheKey, makeDirectories } from './cache.ts';
import { deadline } from './deadline.ts';
import { runGuest } from './guest.ts';
import { probeScript } from './job.ts';
import { planLayout } from './layout.ts';
import { execute } from './process.ts';
import { type Accelerator, qemuArguments } from './qemu.ts';

const DEVICE = '/dev/kvm';
/** A boot on KVM takes 1 to 2 s, and on nested KVM perhaps 4 s. */
const PROBE_TIMEOUT_MS = 10_000;
/**
 * A machine may get KVM later (a new kernel, nested virtualisation switched on). Another probe costs at most its
 * timeout.
 */
const REFUSAL_VALID_MS = 7 * 24 * 3600 * 1000;

/** What a probe found, and when (ms since the epoch). */
export interface Verdict {
	works: boolean;
	at: number;
}

/**
 * Reads a stored verdict. Returns undefined if the text is no verdict, or if the verdict has expired. Only a refusal
 * expires: working KVM is believed until a boot on it fails.
 */
export function readVerdict(text: string, now: number): Verdict | undefined {
	try {
		const { works, at } = JSON.parse(text) as Verdict;
		if (typeof works !== 'boolean' || typeof at !== 'number' || at > now) return undefined;
		return works || now - at < REFUSAL_VALID_MS ? { works, at } : undefined;
	} catch {
		return undefined;
	}
}

export interface ProbeInputs {
	kernel: string;
	initramfs: string;
	programs: ReadonlyMap<string, string>;
	signal?: AbortSignal | undefined;
}

function usable(): boolean {
	try {
		accessSync(DEVICE, constants.R_OK | constants.W_OK);
		return statSync(DEVICE).isCharacterDevice();
	} catch {
		return false;
	}
}

async function verdictFile({ kernel, programs }: ProbeInputs): Promise<string> {
	const qemu = programs.get('qemu-system-x86_64')!;
	const { stdout } = await execute(qemu, ['--version']);
	const { rdev, ino } = statSync(DEVICE);
	const key = cacheKey(stdout, kernel, String(rdev), String(ino), release(), cpus()[0]?.model ?? '');
	return join(cacheDirectory(), 'vm/kvm', `${key}.json`);
}

/** Chooses the best accelerator that is known to work. The first call makes a probe boot, ten seconds at most. */
export async function chooseAccelerator(inputs: ProbeInputs): Promise<Accelerator> {
	if (!usable()) return 'tcg';
	const file = await verdictFile(inputs);
	let known: Verdict | undefined;
	try {
		known = readVerdict(readFileSync(file, 'utf8'), Date.now());
	} catch {
		// never probed
	}
	if (!known) {
		known = { works: await probe(inputs), at: Date.now() };
		if (inputs.signal?.aborted) return 'tcg';
		makeDirectories(dirname(file));
		writeFileSync(file, JSON.stringify(known));
	}
	return known.works ? 'kvm' : 'tcg';
}

/** Withdraws a verdict that a boot has just disproved. */
export async function forgetVerdict(inputs: ProbeInputs): Promise<void> {
	rmSync(await verdictFile(inputs), { force: true });
}

async function probe({ kernel, initramfs, programs, signal }: ProbeInputs): Promise<boolean> {
	const limit = deadline(PROBE_TIMEOUT_MS, signal);
	const machine = { cpus: 2, layout: planLayout(GIB, []), kernel, initramfs, verbose: false };
	const ending = await runGuest({
		qemu: programs.get('qemu-system-x86_64')!,
		setpriv: programs.get('setpriv')!,
		args: qemuArguments({ accelerator: 'kvm', ...machine }),
		job: probeScript(),
		trailer: 'none',
		signal: limit.signal,
	});
	limit.clear();
	return ending.kind === 'probe';
}
