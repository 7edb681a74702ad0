// What the processes that tests start print is compared: the colours that scripts/test.mjs asks of the runner are not for
// them.
delete process.env.FORCE_COLOR;
