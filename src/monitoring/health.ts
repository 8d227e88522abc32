import { bounded, sharedWork } from './bounded.ts';
import type { Answer } from './http.ts';

/** For each server to answer, milliseconds. */
const CHECK_MS = 2_000;

/** What makes a worker ready. */
export interface Health {
  /** Of the SDK's worker; another word before there is one. */
  worker(): string;
  /** Each fails where its server does not answer. */
  temporal(): Promise<unknown>;
  postgres(): Promise<unknown>;
}

/** `/healthz`: the process answers. */
export async function healthz(): Promise<Answer> {
  return json(200, { alive: true });
}

/** `/readyz`: the worker polls, and both servers answer within 2 s. */
export function readyz(health: Health): () => Promise<Answer> {
  return sharedWork(async () => {
    const [temporal, postgres] = await Promise.all([
      answers(() => health.temporal()),
      answers(() => health.postgres()),
    ]);
    const worker = health.worker();
    const ready = worker === 'RUNNING' && temporal && postgres;
    return json(ready ? 200 : 503, { ready, worker, temporal, postgres });
  });
}

async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await bounded(CHECK_MS, ask);
    return true;
  } catch {
    return false;
  }
}

function json(status: number, body: object): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}
