/** A real Temporal development server: all services in one process, its store in memory or in a file. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { findProgram, TEMPORAL } from './binaries.ts';
import { cleanEnvironment, onFreePorts, type Placed, type Surroundings } from './launch.ts';
import { LOOPBACK } from './ports.ts';
import { startServer } from './server.ts';

/** How to reach it. */
export interface TemporalServer extends Placed {
  readonly address: string;
  readonly namespace: string;
  /** A configuration file of Temporal's clients with nothing in it, in place of the user's own. */
  readonly configFile: string;
  /** Base URL of the web UI; empty where it was not asked for. */
  readonly ui: string;
}

/** The namespace that the development server always has. */
const NAMESPACE = 'default';
/** Connecting to a port on which nobody listens yet. */
const CONNECT_MS = 1_000;

export async function startTemporal(
  options: Surroundings & {
    readonly ui: boolean;
    readonly outlivesRestart: boolean;
    /** Settings of the server's dynamic configuration, `key=value`. */
    readonly settings?: readonly string[];
  },
): Promise<TemporalServer> {
  const command = await findProgram(TEMPORAL, options);
  const placed = await onFreePorts(4, ([port = 0, ui = 0, http = 0, metrics = 0]) =>
    startServer(
      {
        name: 'Temporal',
        command,
        args: [
          'server',
          'start-dev',
          '--log-level=error',
          `--namespace=${NAMESPACE}`,
          `--ip=${LOOPBACK}`,
          ...(options.settings ?? []).flatMap((setting) => ['--dynamic-config-value', setting]),
          `--port=${port}`,
          `--http-port=${http}`,
          `--metrics-port=${metrics}`,
          options.ui ? `--ui-port=${ui}` : '--headless',
          ...(options.outlivesRestart ? [`--db-filename=${join(options.directory, 'temporal.db')}`] : []),
        ],
        env: cleanEnvironment(),
        logFile: join(options.directory, 'temporal.log'),
        probe: () => probe(`${LOOPBACK}:${port}`, options.ui ? `http://${LOOPBACK}:${ui}` : ''),
        // There is nothing to end in order: what is in memory is lost, and a file of SQLite's bears it.
        stopSignal: 'SIGKILL',
      },
      options.watchdog,
    ),
  );
  const configFile = join(options.directory, 'temporal.toml');
  await writeFile(configFile, '[profile.default]\n');
  const [port, ui] = placed.ports.ports;
  return {
    ...placed,
    address: `${LOOPBACK}:${port}`,
    namespace: NAMESPACE,
    configFile,
    ui: options.ui ? `http://${LOOPBACK}:${ui}` : '',
  };
}

/** Ready once the namespace can be described and the UI, where there is one, answers. */
async function probe(address: string, ui: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: CONNECT_MS });
  try {
    await connection.workflowService.describeNamespace({ namespace: NAMESPACE });
  } finally {
    await connection.close();
  }
  if (ui !== '') await fetch(ui, { method: 'HEAD' });
}
