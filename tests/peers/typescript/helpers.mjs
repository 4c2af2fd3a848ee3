// What the checks share.

import assert from 'node:assert/strict';

export const texts = (result) =>
  result.content.filter((block) => block.type === 'text').map((block) => block.text);

export const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);

/** The error that a promise must end in. */
export async function rejection(promise) {
  const settled = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  assert.ok(settled.error, `an error was due, got ${JSON.stringify(settled.value)}`);
  return settled.error;
}

/** Collects what comes; `until(count)` waits for that many. */
export function collector() {
  const items = [];
  const waiting = [];
  return {
    items,
    push: (item) => {
      items.push(item);
      for (const { count, done } of waiting) if (items.length >= count) done(items);
    },
    until: (count) =>
      new Promise((done) => (items.length >= count ? done(items) : waiting.push({ count, done }))),
  };
}

/** Opens a session of the peer for one use. */
export async function withSession(peer, url, options, use) {
  const session = await peer.open(url, options);
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}
