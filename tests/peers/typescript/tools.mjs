// What each official TypeScript client must see of the tools of `examples/everything`, whichever
// revision it speaks. Names and bodies of checks; a body gets the open session and its peer.

import assert from 'node:assert/strict';

import { rejection, texts, upTo } from './helpers.mjs';

const CONCURRENT = 20;
const STREAMED = 20;

export async function echo(session, message) {
  const result = await session.call('echo', { message });
  assert.ok(!result.isError, 'echo failed');
  assert.deepEqual(texts(result), [message]);
}

/** Calls `stream` and checks that each notification came, in order, before the result. */
export async function stream(session, count) {
  const seen = [];
  const result = await session.call('stream', { count }, { onprogress: (progress) => seen.push(progress) });
  assert.deepEqual(texts(result), ['done']);
  assert.deepEqual(seen.map((progress) => progress.progress), upTo(count));
  for (const { total } of seen) assert.ok(total === undefined || total === count, `total ${total}`);
}

export const TOOLS = {
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
  'gets wrong arguments as its revision has it': async (session, { version }) => {
    const call = session.call('add', { a: 'two', b: 4 });
    if (version < '2025-11-25') {
      assert.equal((await rejection(call)).code, -32602);
      return;
    }
    const result = await call;
    assert.equal(result.isError, true);
    assert.match(texts(result)[0], /\ba\b/);
  },
  'gets structured content': {
    needs: 'structured content',
    run: async (session) => {
      const { structuredContent } = await session.call('weather', { city: 'Kiel' });
      assert.deepEqual(structuredContent, { city: 'Kiel', temperature: 20, unit: 'celsius' });
    },
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
  'waits for what other clients get as a task': async (session) => {
    const [text] = texts(await session.call('slow_compute', { seconds: 1, label: 'peer' }));
    assert.match(text, /peer/);
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
