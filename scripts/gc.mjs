// V8's garbage collector as a function, in a process or worker that was not started with --expose-gc.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** Does one full collection. */
export const gc = runInNewContext('() => gc()');
