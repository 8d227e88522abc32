/** Links into Temporal's web UI. */

import type { Config } from '../../config.ts';
import type { RecentDeed } from '../../postgres/recent.ts';

/** The address of the run that did a deed; `undefined` where there is none, or no UI is known. */
export type RunLink = (deed: Pick<RecentDeed, 'workflowId' | 'runId'>) => string | undefined;

/** Temporal's development server has its UI this far above its own port. */
const DEV_UI_OFFSET = 1_000;
const DEFAULT_ADDRESS = 'localhost:7233';

/** Links for a UI at `base`, else at the configured one, else at the development server's where that is on this machine. */
export function runLinks({ temporal, temporalUi }: Config, base: string | undefined): RunLink {
  const ui = (base ?? temporalUi ?? devUi(temporal.connectionOptions.address ?? DEFAULT_ADDRESS))?.replace(
    /\/+$/,
    '',
  );
  const namespace = encodeURIComponent(temporal.namespace);
  return ({ workflowId, runId }) =>
    ui === undefined || !workflowId || !runId
      ? undefined
      : `${ui}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}/${encodeURIComponent(runId)}/history`;
}

function devUi(address: string): string | undefined {
  const [, host, port] = /^(localhost|127\.0\.0\.1|\[::1\]):(\d+)$/.exec(address) ?? [];
  return host === undefined ? undefined : `http://${host}:${Number(port) + DEV_UI_OFFSET}`;
}
