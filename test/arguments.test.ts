// The checks of a caller's arguments that have a behaviour of their own. The other checks are tested with the functions
// that use them.
import { expect, test } from 'vitest';
import { requireOptions } from '#lib/arguments.js';

const known = ['maxSize', 'policy', 'requireDax', 'mapSync', 'debug'];
const check = (options: object) => () => requireOptions('options', options, known);

test.each([
	['maxsize', 'maxSize'],
	['MAXSIZE', 'maxSize'],
	['max_size', 'maxSize'],
	['requiredDax', 'requireDax'],
	['polices', 'policy'],
	['mapsync', 'mapSync'],
	['debugg', 'debug'],
])('the unknown option %s is refused, and %s is named as the nearest', (option, nearest) => {
	expect(check({ debug: true, [option]: 1 })).toThrow(
		expect.objectContaining({
			name: 'TypeError',
			code: 'ERR_INVALID_ARG_VALUE',
			message: `The property 'options.${option}' is not an option. Did you mean '${nearest}'?`,
		}),
	);
});

test.each(['', 'x', 'colour', 'mapped', 'constructor', '__proto__', '0'])(
	'with %o, which is near none, all are named',
	(option) => {
		const options = Object.defineProperty({}, option, { value: undefined, enumerable: true });
		const all = "'maxSize', 'policy', 'requireDax', 'mapSync', 'debug'";
		expect(check(options)).toThrow(
			expect.objectContaining({
				code: 'ERR_INVALID_ARG_VALUE',
				message: `The property 'options.${option}' is not an option. The options are ${all}`,
			}),
		);
	},
);

test('known options, symbols and what is inherited pass, and no getter is called', () => {
	const options = Object.create(
		{ maxsize: 1 },
		{
			debug: { get: () => expect.fail('the getter was called'), enumerable: true },
			policy: { value: undefined, enumerable: true },
			[Symbol('maxsize')]: { value: 1, enumerable: true },
		},
	);
	for (const given of [options, {}, Object.create(null)]) expect(check(given)).not.toThrow();
});
