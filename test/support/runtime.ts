import { DefaultLogger, makeTelemetryFilterString, Runtime, type Logger } from '@temporalio/worker';
import { hear } from './hush.ts';

let logger: Logger | undefined;

/** Installs Temporal's runtime once, with a logger that keeps what the SDK and its native core say, and prints nothing. */
export function quietRuntime(): Logger {
  if (logger) return logger;
  logger = new DefaultLogger('DEBUG', (entry) => {
    hear(
      JSON.stringify(entry, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    );
  });
  Runtime.install({
    logger,
    shutdownSignals: [],
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN' }) } },
  });
  return logger;
}
