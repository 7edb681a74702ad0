// npm run build: makes dependencies, compiled TypeScript and the native addon, if they are missing or older than their
// sources. With --yes, root installs the packages that are missing.
import { bootstrap } from './bootstrap.mjs';
import { main } from './steps.mjs';

await main(async () => {
	await bootstrap();
});
