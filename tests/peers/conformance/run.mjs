// Runs the official conformance suite against one server, at every revision that it knows, and
// prints a table. Usage: node run.mjs URL EXPECTED_FAILURES OUTPUT_FOLDER
//
// The suite itself decides what passes: its exit status and its lists of unexpected failures and
// stale entries. This program adds two things: the extension scenarios, which the suite runs only
// by name, and a check that as many scenarios ran as this version of the suite holds.

import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const SCENARIOS = {
  '2025-03-26': 1,
  '2025-06-18': 27,
  '2025-11-25': 33,
  '2026-07-28': 40,
  extension: 13,
};
const RUN_LIMIT_MS = 600_000;

const [url, expectedFailures, output] = process.argv.slice(2);
if (!url || !expectedFailures || !output) {
  console.error('usage: node run.mjs URL EXPECTED_FAILURES OUTPUT_FOLDER');
  process.exit(2);
}

const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json');
const suite = join(dirname(manifest), 'dist', 'index.js');

/** Runs the suite with these arguments; resolves to its exit status and all it printed. */
function run(args) {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [suite, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
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

/** One row a scenario, from the checks that the suite saved. */
function rows(folder, text) {
  const unexpected = listed(text, 'Unexpected failures (not');
  const stale = listed(text, 'Stale baseline entries (');
  const expected = listed(text, 'Expected failures (in');
  return readdirSync(folder).map((name) => {
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, '');
    const checks = JSON.parse(readFileSync(join(folder, name, 'checks.json'), 'utf8'));
    const count = (status) => checks.filter((check) => check.status === status).length;
    const verdict = names(unexpected, scenario)
      ? 'FAILED'
      : names(stale, scenario)
        ? 'STALE'
        : names(expected, scenario)
          ? 'expected'
          : count('SUCCESS') > 0
            ? 'passed'
            : 'unchecked';
    return { scenario, checks, verdict, passed: count('SUCCESS'), failed: count('FAILURE'), warned: count('WARNING') };
  });
}

/** What went wrong in a row that counts, a line a check. */
function reasons(row) {
  return row.checks
    .filter((check) => check.status === 'FAILURE' || check.status === 'WARNING')
    .map((check) => `    ${check.id}: ${(check.errorMessage ?? check.details?.message ?? '').slice(0, 600)}`);
}

async function extensionScenarios() {
  const { text } = await run(['list', '--server']);
  return [...text.matchAll(/^ +- (\S+) \[extension\]$/gm)].map((match) => match[1]);
}

/** All rows of one revision, and whether the suite was content. */
async function runRevision(revision) {
  const folder = resolve(output, revision);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const common = ['server', '--url', url, '--expected-failures', expectedFailures, '-o', folder];
  if (revision !== 'extension') {
    const { status, text } = await run([...common, '--suite', 'all', '--spec-version', revision]);
    return { rows: rows(folder, text), ok: status === 0, text };
  }
  const all = { rows: [], ok: true, text: '' };
  for (const scenario of await extensionScenarios()) {
    const one = join(folder, scenario);
    const { status, text } = await run([...common.slice(0, -1), one, '--scenario', scenario]);
    all.rows.push(...rows(one, text));
    all.ok &&= status === 0;
    all.text += text;
  }
  return all;
}

let ok = true;
const total = {};
for (const revision of Object.keys(SCENARIOS)) {
  const result = await runRevision(revision);
  for (const row of result.rows) {
    total[row.verdict] = (total[row.verdict] ?? 0) + 1;
    const counts = `${row.passed} ok, ${row.failed} failed, ${row.warned} warned`;
    console.log(`${revision}  ${row.scenario.padEnd(48)} ${row.verdict.padEnd(10)} ${counts}`);
    if (row.verdict === 'FAILED' || row.verdict === 'STALE') console.log(reasons(row).join('\n'));
  }
  if (result.rows.length !== SCENARIOS[revision]) {
    console.log(`${revision}: ${result.rows.length} scenarios ran, ${SCENARIOS[revision]} should have`);
    ok = false;
  }
  if (!result.ok) {
    ok = false;
    if (!result.rows.some((row) => row.verdict === 'FAILED' || row.verdict === 'STALE')) {
      console.log(result.text.slice(-4000));
    }
  }
}
console.log(`conformance: ${Object.entries(total).map(([verdict, count]) => `${count} ${verdict}`).join(', ')}`);
process.exit(ok ? 0 : 1);
