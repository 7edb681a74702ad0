// The Node child of children.mjs. It reports what it holds, then uses a kind of its own.
import { mkdirSync } from 'node:fs';
import { PmemKind } from 'daxkind';
import { held } from './held.mjs';

const inherited = held();
const own = `${process.argv[2]}-${process.pid}`;
mkdirSync(own);
const kind = PmemKind.create(own, { maxSize: 16 * 1024 * 1024 });
const block = kind.malloc(100_000).fill(1);
kind.free(block);
process.send(inherited.join('\n'), () => process.disconnect());
