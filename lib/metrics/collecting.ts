// `collectMetrics`: metrics of kinds and caches in a registry of prom-client. They are made here in the shape that its
// registry reads, so nothing of prom-client is imported, and there is no second copy of it.
import { requireIterable, requireOptions } from '../arguments.ts';
import { caches as openCaches, PmemCache } from '../cache/index.ts';
import { invalidArgType, invalidArgValue } from '../errors.ts';
import { Kind, kinds as openKinds } from '../kind/index.ts';
import {
	cacheMetrics,
	type Definition,
	kindMetrics,
	type Measured,
	measureCaches,
	measureKinds,
	samplesOf,
} from './numbers.ts';

/** What is used of a registry of prom-client. */
export interface MetricsRegister {
	registerMetric(metric: never): void;
	getSingleMetric(name: string): unknown;
	removeSingleMetric(name: string): void;
}

export interface CollectMetricsOptions {
	/**
	 * The kinds, of which a list is made now, or a function that is asked for them at each scrape. Default: the open kinds
	 * of this thread.
	 */
	kinds?: Iterable<Kind> | (() => Iterable<Kind>);
	/**
	 * The caches, of which a list is made now, or a function that is asked for them at each scrape. Default: the open
	 * caches of this thread.
	 */
	caches?: Iterable<PmemCache> | (() => Iterable<PmemCache>);
	/** What the names of all metrics begin with. Default 'daxkind_'. */
	prefix?: string;
}

/** Names of metrics, by https://prometheus.io/docs/concepts/data_model. */
const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/**
 * Adds metrics of kinds and caches to a registry of prom-client. The numbers are read when the registry is scraped. A
 * kind or a cache that has been closed is not shown any more. Those that have the same labels are added up.
 *
 * Metrics of kinds have the labels `name` and `type`, those of caches `name`. The numbers are those of all threads: call
 * it in one thread.
 *
 * @param register A registry of prom-client: `register` or `new Registry()`.
 * @returns A function that removes the metrics.
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; what the registry throws if it has a metric of such a
 *   name already. Nothing has been added then. A scrape rejects with ERR_INVALID_ARG_TYPE if a function gives what is no
 *   list of kinds, or of caches.
 */
export function collectMetrics(register: MetricsRegister, options?: CollectMetricsOptions): () => void {
	if (typeof register?.registerMetric !== 'function') {
		throw invalidArgType('register', 'a registry of prom-client', register);
	}
	const given = requireOptions<CollectMetricsOptions>('options', options, ['kinds', 'caches', 'prefix']);
	const { kinds = openKinds, caches = openCaches, prefix = 'daxkind_' } = given;
	if (typeof prefix !== 'string') throw invalidArgType('options.prefix', 'of type string', prefix);
	if (!namePattern.test(`${prefix}x`))
		throw invalidArgValue('options.prefix', 'the beginning of a metric’s name', prefix);
	const kindsNow = listerOf('options.kinds', kinds, Kind);
	const cachesNow = listerOf('options.caches', caches, PmemCache);
	const metrics = [
		...metricsOf(prefix, kindMetrics, () => measureKinds(kindsNow())),
		...metricsOf(prefix, cacheMetrics, () => measureCaches(cachesNow())),
	];
	const added = new Map<string, object>();
	const remove = () => {
		// The registry may have been cleared, and have other metrics of these names now.
		for (const [name, metric] of added) {
			if (register.getSingleMetric(name) === metric) register.removeSingleMetric(name);
		}
		added.clear();
	};
	try {
		for (const metric of metrics) {
			const { name } = metric;
			register.registerMetric(metric as never);
			added.set(name, metric);
		}
	} catch (error) {
		remove();
		throw error;
	}
	return remove;
}

/** A class, whoever may make its objects. */
interface Class {
	readonly name: string;
	[Symbol.hasInstance](value: unknown): boolean;
}

/** What gives the list at each scrape. An iterable is read now, because an iterator can be read only once. */
function listerOf<T>(name: string, given: Iterable<T> | (() => Iterable<T>), of: Class): () => T[] {
	if (typeof given === 'function') return () => listOf(name, given(), of);
	const list = listOf(name, given, of);
	return () => list;
}

function listOf<T>(name: string, given: Iterable<T>, of: Class): T[] {
	const list = [...requireIterable(name, given, 'an iterable, or a function')];
	const wrong = list.findIndex((each) => !(each instanceof of));
	if (wrong >= 0) throw invalidArgType(`${name}[${wrong}]`, `an instance of ${of.name}`, list[wrong]);
	return list;
}

/** The metrics of what `measure` measures. One scrape measures once, because it asks all metrics in one turn. */
function metricsOf<Stats>(
	prefix: string,
	definitions: readonly Definition<Stats>[],
	measure: () => Measured<Stats>[],
): Metric<Stats>[] {
	let measured: Measured<Stats>[] | undefined;
	const measureOnce = () => {
		if (measured === undefined) {
			measured = measure();
			queueMicrotask(() => {
				measured = undefined;
			});
		}
		return measured;
	};
	return definitions.map((definition) => new Metric(prefix + definition.name, definition, measureOnce));
}

/** What a registry of prom-client 15 uses of a metric. */
class Metric<Stats> {
	/** A registry for OpenMetrics takes `_total` away. */
	name: string;
	readonly help: string;
	readonly type: string;
	/** How a cluster's registry puts the numbers of processes together. */
	readonly aggregator = 'sum';
	#definition: Definition<Stats>;
	#measure: () => Measured<Stats>[];

	constructor(name: string, definition: Definition<Stats>, measure: () => Measured<Stats>[]) {
		this.name = name;
		this.help = definition.help;
		this.type = definition.type;
		this.#definition = definition;
		this.#measure = measure;
	}

	async get(): Promise<object> {
		const { name, help, type, aggregator } = this;
		return { name, help, type, aggregator, values: samplesOf(this.#definition, this.#measure()) };
	}

	/** There is nothing to set back: the numbers are those of kinds and caches. */
	reset(): void {}
}
