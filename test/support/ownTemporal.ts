/** A Temporal server of a test's own, beside the shared PostgreSQL and S3. */

import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { startStack, type Stack } from '../../dev/embedded.ts';
import { shared, type Shared } from './shared.ts';

/** What worlds are opened on, and the server's own stack. */
export interface OwnTemporal {
  readonly parts: Shared;
  readonly stack: Stack;
  stop(): Promise<void>;
}

/** Starts a server, with its web UI where that is asked for. */
export async function ownTemporal({
  ui,
  settings = [],
}: {
  readonly ui: boolean;
  readonly settings?: readonly string[];
}): Promise<OwnTemporal> {
  const common = await shared();
  const stack = await startStack({ servers: ['temporal'], ui, temporalSettings: settings });
  const address = stack.env['TEMPORAL_ADDRESS'] ?? '';
  const temporal = new Client({ connection: await Connection.connect({ address }) });
  const native = await NativeConnection.connect({ address });
  const env = { ...common.stack.env, ...stack.env };
  return {
    parts: { ...common, temporal, native, stack: { ...common.stack, env } },
    stack,
    stop: async () => {
      await native.close();
      await temporal.connection.close();
      await stack.stop();
    },
  };
}
