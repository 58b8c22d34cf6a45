/** What Prometheus is told of the process itself, by the names of `prom-client`. */

const { monitorEventLoopDelay } = require('node:perf_hooks');

const NANOSECONDS = 1e9;
const delays = monitorEventLoopDelay({ resolution: 10 });
delays.enable();

/** Of the event loop since the last time that somebody asked, and of the memory now. */
function processMetrics() {
  const lag = delays.count > 0 ? delays.percentile(99) / NANOSECONDS : 0;
  delays.reset();
  return [
    '# HELP nodejs_eventloop_lag_p99_seconds Time between two turns of the event loop that 99 of 100 do not exceed.',
    '# TYPE nodejs_eventloop_lag_p99_seconds gauge',
    `nodejs_eventloop_lag_p99_seconds ${lag}`,
    '# HELP process_resident_memory_bytes Resident memory.',
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '',
  ].join('\n');
}

module.exports = { processMetrics };
