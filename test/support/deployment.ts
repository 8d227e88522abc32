/** The compose file as Compose reads it: anchors merged, `${VARIABLE:?…}` replaced. */

import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';

export const DOCKER = new URL('../../temporal-docker/', import.meta.url);

export interface Service {
  readonly image: string;
  readonly restart?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly test: readonly string[]; readonly disable?: boolean };
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

/** What `.env.example` names, with a password for each that is empty, as `secrets.sh` makes them; what is optional is empty. */
export async function exampleVariables(): Promise<Map<string, string>> {
  const text = await readFile(new URL('.env.example', DOCKER), 'utf8');
  const optional = [...text.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => [name ?? '', ''] as const);
  return new Map([...neededVariables(text), ...optional]);
}

function neededVariables(text: string): Map<string, string> {
  const lines = text.split('\n');
  const pairs = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split('=', 2));
  return new Map(pairs.map(([name = '', value]) => [name, value || `${name.replaceAll('_', '')}0123`]));
}

/** @throws where a variable is not in `.env.example` */
export async function readCompose(): Promise<Compose> {
  const variables = await exampleVariables();
  const filled = (text: string): string =>
    text.replaceAll(/\$\{?(\w+)(?::[?-][^}]*)?\}?/g, (_all, name: string) => {
      const value = variables.get(name);
      if (value === undefined) throw new Error(`${name} is not in .env.example`);
      return value;
    });
  const parsed: unknown = parse(await readFile(new URL('compose.yaml', DOCKER), 'utf8'), { merge: true });
  // In values alone, once the document is read.
  const reviver = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? filled(value) : value;
  return JSON.parse(JSON.stringify(parsed), reviver) as Compose;
}

/** The environment that a service gets. */
export async function composeEnvironment(service: string): Promise<Readonly<Record<string, string>>> {
  return (await readCompose()).services[service]?.environment ?? {};
}
