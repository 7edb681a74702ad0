// npm start: makes what is missing, then runs examples/service on this machine or, with --vm, on real DAX in the VM.
// With --yes, root installs the packages that are missing. The other arguments go to the service.
import { bootstrap } from './bootstrap.mjs';
import { main, run, StepError } from './steps.mjs';

await main(async (args) => {
	const vm = args.includes('--vm');
	if (vm && args.includes('--serve')) {
		throw new StepError(
			'--serve works only on this machine, because nothing outside the guest can reach its network. Leave out --vm.',
		);
	}
	const obstacle = await bootstrap({ vm });
	if (obstacle) throw new StepError(obstacle);
	const service = ['examples/service/main.mjs', ...args.filter((argument) => argument !== '--vm')];
	const command = vm ? ['dist/cli/main.js', 'vm', '--', process.execPath, ...service] : service;
	const { status } = await run(process.execPath, command);
	return status;
});
