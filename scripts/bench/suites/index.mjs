// All tables of the benchmark, in the order in which they are printed.
//
// A suite is one table. `workloads(kindSize)` are measured with the `contestants` (those for which `takesPart` holds).
// `summarise(results)` reduces the rounds to figures. `render(summary, options)` makes the lines that a person reads.
import { cache } from './cache.mjs';
import { fail } from './fail.mjs';
import { faults } from './faults.mjs';
import { gc } from './gc.mjs';
import { memory } from './memory.mjs';
import { persist } from './persist.mjs';
import { tail } from './tail.mjs';
import { threads } from './threads.mjs';
import { times } from './times.mjs';
import { utilisation } from './utilisation.mjs';
import { view } from './view.mjs';

export const suites = [times, view, fail, threads, tail, utilisation, memory, faults, gc, persist, cache];
