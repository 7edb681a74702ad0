// The package's entry `daxkind/metrics`: metrics of kinds and caches for prom-client.

export { type CollectMetricsOptions, collectMetrics, type MetricsRegister } from './collecting.ts';
