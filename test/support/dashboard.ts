/** The dashboard as its user has it: the command in a process of its own, and Chromium before it. */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** A dashboard that listens. It must be closed. */
export interface Dashboard {
  readonly url: string;
  /** Interrupts it. @returns its exit status */
  close(): Promise<number | null>;
}

/** Starts `tidemark dashboard` on a free port. */
export async function openDashboard(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<Dashboard> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['dist/client.js', 'dashboard', '--port', '0', '--every', '1', ...args],
    {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  assert.ok(child.stdout);
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url,
    close: async () => {
      const exit = once(child, 'exit');
      child.kill('SIGINT');
      const [status] = (await exit) as [number | null];
      return status;
    },
  };
}

/** A browser's page, and all that it complained of or asked elsewhere. */
export interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

/** Debian's Chromium. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/** Opens the dashboard, noting console and CSP errors, failed answers and requests to other hosts. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const page = await (await browser.newContext(options)).newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(url).host) complaints.push(`asks ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}
