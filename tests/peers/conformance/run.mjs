// Runs both official conformance suites against one server, each at every revision that it knows,
// and prints a table. Usage: node run.mjs URL OUTPUT_FOLDER [EXPECTED_FAILURES]
//
// The suites themselves decide what passes. This program adds the extension scenarios, which the
// newer suite runs only by name; counts, so that no scenario goes missing; and strictness: a
// warning fails a scenario as a failure does, and so does a scenario that checked nothing.
//
// EXPECTED_FAILURES excuses what it names in the newer suite, and what checked nothing.

import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const SUITES = [
  {
    name: 'conformance-stable',
    version: '0.1.16',
    scenarios: { '2025-06-18': 26, '2025-11-25': 32 },
    takesBaseline: false,
  },
  {
    name: '@modelcontextprotocol/conformance',
    version: '0.2.0-alpha.12',
    scenarios: { '2025-03-26': 1, '2025-06-18': 27, '2025-11-25': 33, '2026-07-28': 40, extension: 13 },
    takesBaseline: true,
  },
];
const PAIRS = 58 + 114;

// What its suite leaves empty, whatever the server does.
const EMPTY_BY_DESIGN = 'tasks-status-notifications';
// The suite's own check of every message against the schema: holds also where nothing was asked.
const OF_EVERY_SCENARIO = 'wire-schema-valid';
const RUN_LIMIT_MS = 600_000;

const [url, output, expectedFailures] = process.argv.slice(2);
if (!url || !output) {
  console.error('usage: node run.mjs URL OUTPUT_FOLDER [EXPECTED_FAILURES]');
  process.exit(2);
}
const require = createRequire(import.meta.url);

/** Runs a suite with these arguments; resolves to its exit status and all it printed. */
function run(suite, args) {
  const program = join(dirname(require.resolve(`${suite.name}/package.json`)), 'dist', 'index.js');
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const limit = setTimeout(() => child.kill('SIGKILL'), RUN_LIMIT_MS);
    let text = '';
    child.stdout.on('data', (bytes) => (text += bytes));
    child.stderr.on('data', (bytes) => (text += bytes));
    child.on('error', failed);
    child.on('close', (status) => {
      clearTimeout(limit);
      done({ status, text: text.replaceAll(/\x1b\[[0-9;]*m/g, '') });
    });
  });
}

/** The lines under a heading of the suite's last report, without their marks. */
function listed(text, heading) {
  const lines = text.split('\n');
  const start = lines.findLastIndex((line) => line.startsWith(heading));
  if (start < 0) return [];
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.trim() === '');
  return rest.slice(0, end < 0 ? rest.length : end).map((line) => line.trim().slice(2));
}

/** Whether a list holds this scenario or one check of it. */
function names(list, scenario) {
  return list.some((entry) => entry === scenario || entry.startsWith(`${scenario}:`));
}

/** What became of a scenario, by its checks and by what the suite's report says of it. */
function verdict(scenario, checks, count, text) {
  if (names(listed(text, 'Unexpected failures (not'), scenario)) return 'FAILED';
  if (names(listed(text, 'Stale baseline entries ('), scenario)) return 'STALE';
  if (names(listed(text, 'Expected failures (in'), scenario)) return 'expected';
  if (count('FAILURE') + count('WARNING') > 0) return 'FAILED';
  const isEmpty = !checks.some(({ id, status }) => status === 'SUCCESS' && id !== OF_EVERY_SCENARIO);
  if (scenario === EMPTY_BY_DESIGN) return isEmpty ? 'empty' : 'FILLED';
  if (isEmpty) return expectedFailures ? 'unchecked' : 'UNCHECKED';
  return 'passed';
}

/** One row a scenario, from the checks that the suite saved. */
function rows(folder, text) {
  return readdirSync(folder).map((name) => {
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, '');
    const checks = JSON.parse(readFileSync(join(folder, name, 'checks.json'), 'utf8'));
    const count = (status) => checks.filter((check) => check.status === status).length;
    const counts =
      `${count('SUCCESS')} ok, ${count('FAILURE')} failed, ` +
      `${count('WARNING')} warned, ${count('SKIPPED')} skipped`;
    return { scenario, checks, counts, verdict: verdict(scenario, checks, count, text) };
  });
}

const isBad = (row) => row.verdict === row.verdict.toUpperCase();

/** What went wrong in a row that counts, a line a check. */
function reasons(row) {
  return row.checks
    .filter((check) => check.status === 'FAILURE' || check.status === 'WARNING')
    .map((check) => `    ${check.id}: ${(check.errorMessage ?? check.details?.message ?? '').slice(0, 600)}`);
}

async function extensionScenarios(suite) {
  const { text } = await run(suite, ['list', '--server']);
  return [...text.matchAll(/^ +- (\S+) \[extension\]$/gm)].map((match) => match[1]);
}

/** All rows of one revision, and whether the suite was content. */
async function runRevision(suite, revision) {
  const folder = resolve(output, suite.version, revision);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const baseline = suite.takesBaseline && expectedFailures ? ['--expected-failures', expectedFailures] : [];
  const common = ['server', '--url', url, ...baseline, '-o'];
  if (revision !== 'extension') {
    const { status, text } = await run(suite, [...common, folder, '--suite', 'all', '--spec-version', revision]);
    return { rows: rows(folder, text), ok: status === 0, text };
  }
  const all = { rows: [], ok: true, text: '' };
  for (const scenario of await extensionScenarios(suite)) {
    const one = join(folder, scenario);
    const { status, text } = await run(suite, [...common, one, '--scenario', scenario]);
    all.rows.push(...rows(one, text));
    all.ok &&= status === 0;
    all.text += text;
  }
  return all;
}

let ok = true;
const total = {};
for (const suite of SUITES) {
  for (const [revision, due] of Object.entries(suite.scenarios)) {
    const result = await runRevision(suite, revision);
    for (const row of result.rows) {
      total[row.verdict] = (total[row.verdict] ?? 0) + 1;
      console.log(`${suite.version}  ${revision}  ${row.scenario.padEnd(48)} ${row.verdict.padEnd(10)} ${row.counts}`);
      if (isBad(row)) console.log(reasons(row).join('\n'));
    }
    if (result.rows.length !== due) {
      console.log(`${suite.version}  ${revision}: ${result.rows.length} scenarios ran, ${due} should have`);
      ok = false;
    }
    if (!result.ok && !result.rows.some(isBad)) console.log(result.text.slice(-4000));
    ok &&= result.ok && !result.rows.some(isBad);
  }
}
const ran = Object.values(total).reduce((sum, count) => sum + count, 0);
if (ran !== PAIRS) {
  console.log(`${ran} scenarios ran in all, ${PAIRS} should have`);
  ok = false;
}
console.log(`conformance: ${Object.entries(total).map(([verdict, count]) => `${count} ${verdict}`).join(', ')}`);
process.exit(ok ? 0 : 1);
