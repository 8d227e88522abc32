/** The verbs. One that is typed is loaded alone: all of them, with what they reach, take a second. */

import type { Command } from 'commander';

/** Adds a verb to the program. */
type AddVerb = (program: Command) => void;

/** In the order in which help lists them. */
const VERBS = {
  migrate: async () => (await import('./migrate.ts')).addMigrate,
  start: async () => (await import('./start.ts')).addStart,
  status: async () => (await import('./status.ts')).addStatus,
  schedule: async () => (await import('./schedule.ts')).addSchedule,
  plan: async () => (await import('./plan.ts')).addPlan,
  files: async () => (await import('./files.ts')).addFiles,
  rejects: async () => (await import('./rejects.ts')).addRejects,
  skip: async () => (await import('./skip.ts')).addSkip,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  explain: async () => (await import('./explain.ts')).addExplain,
  verify: async () => (await import('./verify.ts')).addVerify,
  dashboard: async () => (await import('./dashboard/dashboard.ts')).addDashboard,
  'apply-late': async () => (await import('./applyLate.ts')).addApplyLate,
  reload: async () => (await import('./reload.ts')).addReload,
  rebuild: async () => (await import('./rebuild.ts')).addRebuild,
  watermark: async () => (await import('./watermark.ts')).addWatermark,
  compare: async () => (await import('./compare.ts')).addCompare,
  completion: async () => (await import('./completion.ts')).addCompletion,
} satisfies Readonly<Record<string, () => Promise<AddVerb>>>;

/** Adds the verb that is typed; all of them for help, for completion, and where none of them is typed first. */
export async function addVerbs(program: Command, typed: string | undefined): Promise<void> {
  const one = Object.entries(VERBS).find(([name]) => name === typed && name !== 'completion')?.[1];
  const adding = one ? [one()] : Object.values(VERBS).map((load) => load());
  for (const add of await Promise.all<AddVerb>(adding)) add(program);
}
