// Prints a chain of links, each with what was found out about it, for `explain` and `memmap verify`.
import type { DaxEvidence, DaxVerdict } from '../dax/index.ts';
import { paint, wrapped } from './output.ts';

/** One link. */
interface Link {
	link: string;
	verdict: DaxVerdict;
	finding: string;
	evidence: readonly DaxEvidence[];
	remedy?: string;
}

const marks: Readonly<Record<DaxVerdict, [mark: string, style: Parameters<typeof paint>[0]]>> = {
	ok: ['✓', 'green'],
	broken: ['✗', 'red'],
	'not reached': ['-', 'dim'],
	warning: ['!', 'yellow'],
	unknown: ['?', 'cyan'],
};

function linkLines(link: Link, column: number, isAnswer: boolean): string {
	const [mark, style] = marks[link.verdict];
	const indent = ' '.repeat(column);
	const head = `  ${paint(style, mark)} ${link.link.padEnd(column - 4)}`;
	const evidence = link.evidence.map(({ value, source }) => paint('dim', wrapped(`${value}  (${source})`, column)));
	// The answer line has named the remedy already.
	const remedy = link.remedy === undefined || isAnswer ? [] : [wrapped(`Fix: ${link.remedy}`, column)];
	return `${head}${wrapped(link.finding, column)}\n${[...evidence, ...remedy].map((line) => `${indent}${line}\n`).join('')}`;
}

/**
 * All links, for a person.
 *
 * @param reason The finding that the answer line has given already, with its remedy.
 */
export function formatChain(links: readonly Link[], reason: string | undefined): string {
	const column = 4 + Math.max(...links.map(({ link }) => link.length)) + 2;
	const first = links.find(({ verdict, finding }) => verdict !== 'ok' && finding === reason);
	return links.map((link) => linkLines(link, column, link === first)).join('');
}
