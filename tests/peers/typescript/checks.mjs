// What each official TypeScript client must see of `examples/everything`, whichever era it speaks.
// A peer is `{ name, version, modern, open(url) }`; `open` connects and gives
// `{ version, listTools(), call(name, arguments, options), ping, close() }`.

import assert from 'node:assert/strict';

const CONCURRENT = 20;
const STREAMED = 20;
const LIMIT_MS = 30_000;

const texts = (result) => result.content.filter((block) => block.type === 'text').map((block) => block.text);
const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);

async function echo(session, message) {
  const result = await session.call('echo', { message });
  assert.ok(!result.isError, 'echo failed');
  assert.deepEqual(texts(result), [message]);
}

/** Calls `stream` and checks that each notification came, in order, before the result. */
async function stream(session, count) {
  const seen = [];
  const result = await session.call('stream', { count }, { onprogress: (progress) => seen.push(progress) });
  assert.deepEqual(texts(result), ['done']);
  assert.deepEqual(seen.map((progress) => progress.progress), upTo(count));
  for (const { total } of seen) assert.ok(total === undefined || total === count, `total ${total}`);
}

async function rejection(promise) {
  const settled = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  assert.ok(settled.error, `an error was due, got ${JSON.stringify(settled.value)}`);
  return settled.error;
}

/** Name and body of each check; a body gets the open session and its peer. */
const CHECKS = {
  'speaks the expected revision': (session, peer) => assert.equal(session.version, peer.version),

  'lists every tool once, the plain one first': async (session) => {
    const { tools, nextCursor } = await session.listTools();
    const names = tools.map((tool) => tool.name);
    assert.equal(nextCursor, undefined);
    assert.equal(names[0], 'test_simple_text');
    assert.equal(new Set(names).size, names.length);
    for (const name of ['echo', 'add', 'stream', 'sleep', 'test_error_handling']) assert.ok(names.includes(name), name);
  },

  'echoes what it sent': (session) => echo(session, 'plain'),
  'echoes text beyond ASCII': (session) => echo(session, 'Grüße, 世界 \u{1F980} "\\ \n\t\u0001\u2028'),
  'echoes an empty text': (session) => echo(session, ''),
  'echoes 256 KiB': (session) => echo(session, 'x'.repeat(256 * 1024)),

  'adds two numbers': async (session) => {
    const [sum] = texts(await session.call('add', { a: 2.5, b: 4 }));
    assert.equal(Number(sum), 6.5);
  },

  'receives text, image, audio and resource blocks': async (session) => {
    const kinds = async (tool) => (await session.call(tool, {})).content.map((block) => block.type);
    assert.deepEqual(await kinds('test_simple_text'), ['text']);
    assert.deepEqual(await kinds('test_image_content'), ['image']);
    assert.deepEqual(await kinds('test_audio_content'), ['audio']);
    assert.deepEqual(await kinds('test_embedded_resource'), ['resource']);
    assert.deepEqual(await kinds('test_multiple_content_types'), ['text', 'image', 'resource']);
  },

  'sees all progress, in order, before the result': (session) => stream(session, STREAMED),
  'streams nothing when it asks for no progress': async (session) => {
    assert.deepEqual(texts(await session.call('stream', { count: STREAMED })), ['done']);
  },

  'gets a failed tool as a result': async (session) => {
    const result = await session.call('test_error_handling', {});
    assert.equal(result.isError, true);
    assert.match(texts(result)[0], /intentionally returns an error/);
  },
  'gets wrong arguments as a failed tool': async (session) => {
    const result = await session.call('add', { a: 'two', b: 4 });
    assert.equal(result.isError, true);
    assert.match(texts(result)[0], /\ba\b/);
  },
  'gets an unknown tool as error -32602': async (session) => {
    assert.equal((await rejection(session.call('no_such_tool', {}))).code, -32602);
  },
  'has arguments mirrored in headers accepted': async (session) => {
    await session.listTools();
    for (const value of ['plain', ' blanks ', 'Käse', '=?base64?eA==?=', '']) {
      assert.ok(!(await session.call('test_custom_header', { value })).isError, JSON.stringify(value));
    }
  },

  'calls concurrently without mixing answers': (session) =>
    Promise.all(upTo(CONCURRENT).map((i) => echo(session, `call ${i} ${'.'.repeat(i * 100)}`))),
  'streams concurrently without mixing progress': (session) =>
    Promise.all(upTo(CONCURRENT).map((i) => stream(session, i))),
  'waits concurrently, not in turn': async (session) => {
    const began = Date.now();
    const results = await Promise.all(upTo(CONCURRENT).map(() => session.call('sleep', { ms: 250 })));
    for (const result of results) assert.deepEqual(texts(result), ['slept']);
    const took = Date.now() - began;
    assert.ok(took >= 250 && took < 2500, `${CONCURRENT} sleeps of 250 ms took ${took} ms`);
  },
  'cancels a call and goes on': async (session) => {
    const abort = new AbortController();
    const began = Date.now();
    setTimeout(() => abort.abort(new Error('enough')), 200);
    await rejection(session.call('sleep', { ms: 20_000 }, { signal: abort.signal }));
    assert.ok(Date.now() - began < 2000, 'the cancelled call hung');
    await echo(session, 'after the cancelled call');
  },
};

const LEGACY_CHECKS = {
  pings: (session) => session.ping(),
};

const MODERN_CHECKS = {
  'is told which capability it lacks': async (session) => {
    const error = await rejection(session.call('test_missing_capability', {}));
    assert.equal(error.code, -32021);
    assert.deepEqual(error.data?.requiredCapabilities, { sampling: {} });
  },
};

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

/** Runs every check with one peer; prints a line a check and returns how many failed. */
export async function runPeer(peer, url) {
  let session;
  try {
    session = await bounded(peer.open(url));
  } catch (error) {
    console.log(`FAILED  ${peer.name}: connects: ${error.stack}`);
    return 1;
  }
  let failed = 0;
  for (const [title, check] of Object.entries({ ...CHECKS, ...(peer.modern ? MODERN_CHECKS : LEGACY_CHECKS) })) {
    try {
      await bounded(Promise.resolve(check(session, peer)));
      console.log(`ok      ${peer.name}: ${title}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${peer.name}: ${title}: ${error.stack ?? error}`);
    }
  }
  await bounded(session.close());
  return failed;
}
