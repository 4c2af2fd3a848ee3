// The official TypeScript clients, old and new, against one server. Usage: node main.mjs URL
//
// Prints a line a check and client, in bounded time, and how many of each kind there were; ends
// with 1 if one failed.

import { ASKING, MODERN_ASKING } from './asking.mjs';
import { LEGACY_HEARING, MODERN_HEARING } from './hearing.mjs';
import { watchFetch } from './network.mjs';
import { OFFERS } from './offers.mjs';
import { PEERS } from './peers.mjs';
import { SESSIONS } from './sessions.mjs';
import { TOOLS } from './tools.mjs';

const LIMIT_MS = 30_000;

const EVERY_CHECK = { ...TOOLS, ...OFFERS, ...ASKING };
const LEGACY_CHECKS = { ...EVERY_CHECK, ...LEGACY_HEARING, ...SESSIONS };
const MODERN_CHECKS = { ...EVERY_CHECK, ...MODERN_ASKING, ...MODERN_HEARING };

async function bounded(work) {
  let timer;
  const limit = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`took over ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs one check; says how it ended, and what is to be said of it. */
async function runCheck(run, session, peer, url) {
  try {
    await bounded(Promise.resolve(run(session, peer, url)));
    return ['ok'];
  } catch (error) {
    return ['FAILED', error.stack ?? String(error)];
  }
}

/** Runs every check with one peer; adds how each ended to the counts. */
async function runPeer(peer, url, counts) {
  const note = (ended, title, said) => {
    counts[ended] += 1;
    console.log(`${ended.padEnd(7)} ${peer.name}: ${title}${said ? `: ${said}` : ''}`);
  };
  let session;
  try {
    session = await bounded(peer.open(url));
  } catch (error) {
    note('FAILED', 'connects', error.stack);
    return;
  }
  for (const [feature, reason] of Object.entries(peer.lacks)) {
    note('absent', feature, `not in this client: ${reason}`);
  }
  for (const [title, check] of Object.entries(peer.modern ? MODERN_CHECKS : LEGACY_CHECKS)) {
    const { needs, run } = typeof check === 'function' ? { run: check } : check;
    if (needs in peer.lacks) continue;
    const [ended, said] = await runCheck(run, session, peer, url);
    note(ended, title, said);
  }
  await bounded(session.close());
}

const [url] = process.argv.slice(2);
if (!url) {
  console.error('usage: node main.mjs URL');
  process.exit(2);
}
watchFetch();
const sums = [];
let failed = 0;
for (const peer of PEERS) {
  const counts = { ok: 0, absent: 0, FAILED: 0 };
  await runPeer(peer, url, counts);
  sums.push(`${peer.name.padEnd(18)} ${counts.ok} ok, ${counts.absent} absent, ${counts.FAILED} failed`);
  failed += counts.FAILED;
}
console.log(sums.join('\n'));
console.log(failed === 0 ? 'typescript clients: all well' : `typescript clients: ${failed} checks failed`);
process.exit(failed === 0 ? 0 : 1);
