// npm run build: dependencies, TypeScript and the native addon, as far as they are missing or old. With --yes, root installs
// the packages that are missing.
import { bootstrap } from './bootstrap.mjs';
import { main } from './steps.mjs';

await main(async () => {
	await bootstrap();
});
