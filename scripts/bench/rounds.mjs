// Measures every workload in each round. The contestants of a workload take turns, each in its own process, so that
// what disturbs the machine disturbs all of them.
import { run, StepError } from '../steps.mjs';

/**
 * `operations` is for workloads that look for the rarest calls, where time does not decide how many calls there are.
 */
const pace = {
	full: { warmUpMs: 200, samples: 5, sampleMs: 60, operations: 10_000_000 },
	quick: { warmUpMs: 100, samples: 3, sampleMs: 25, operations: 1_000_000 },
};

const seedOf = (round) => 0x9e3779b1 ^ (round * 0x85ebca6b);

async function measureCell({ program, args, name }, workload, options, round) {
	const { pattern, size, live, threads = 0, kindSize = options.kindSize, env } = workload;
	const usual = options.quick ? pace.quick : pace.full;
	const { samples, sampleMs, operations } = usual;
	const warmUpMs = options.warmUpMs ?? usual.warmUpMs;
	const touch = options.touch ? 1 : 0;
	const numbers = [kindSize, size, live, threads, seedOf(round) | 0, touch, warmUpMs, samples, sampleMs, operations];
	const all = [...args, options.directory, pattern, ...numbers.map(String)];
	const { status, output } = await run(program, all, { capture: true, env });
	if (status === 0) return JSON.parse(output);
	throw new StepError(`${workload.name} of ${name} failed with status ${status}:\n${output.trim()}`);
}

/**
 * @param tasks Workloads, each with the contestants that take part in it.
 * @param progress Called before each measurement.
 * @returns For each workload the results of each contestant, round by round.
 */
export async function measureRounds(tasks, options, progress) {
	const results = tasks.map(({ workload }) => ({ ...workload, rounds: {} }));
	for (let round = 0; round < options.rounds; round++) {
		for (const [index, { workload, contestants }] of tasks.entries()) {
			for (const contestant of contestants) {
				progress(round, workload, contestant);
				const result = await measureCell(contestant, workload, options, round);
				const { rounds } = results[index];
				rounds[contestant.name] ??= [];
				rounds[contestant.name].push(result);
			}
		}
	}
	return results;
}
