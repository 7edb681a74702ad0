// Tests compare what their child processes print. So the colours that scripts/test.mjs asks of the runner must not
// reach those processes.
delete process.env.FORCE_COLOR;
