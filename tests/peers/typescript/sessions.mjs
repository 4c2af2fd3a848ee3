// What each official TypeScript client must get from `examples/everything` when the network fails
// it in the legacy era: every event once, in order, and the result. Then: the end of a session.

import assert from 'node:assert/strict';

import { collector, rejection, texts, withSession } from './helpers.mjs';
import { openCutter } from './network.mjs';
import { echo, stream } from './tools.mjs';

const CUT_BEHIND_BYTES = 5000;
const CUT_WITHIN_QUESTION = 400;
const STREAMED = 200;

async function withCutter(url, use) {
  const cutter = await openCutter(url);
  try {
    return await use(cutter);
  } finally {
    cutter.close();
  }
}

/** The status of a plain request in a session. */
async function status(url, sessionId) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': sessionId,
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
  await response.body?.cancel();
  return response.status;
}

/** Streams while the network breaks this often. */
const streamCut = (times) => ({
  needs: 'resuming',
  run: (_, peer, url) =>
    withCutter(url, (cutter) =>
      withSession(peer, cutter.url, {}, async (session) => {
        cutter.arm(times, CUT_BEHIND_BYTES);
        await stream(session, STREAMED);
        assert.equal(cutter.cuts(), times);
        await echo(session, 'after the cut');
      }),
    ),
});

export const SESSIONS = {
  'sees all progress once although the network breaks': streamCut(1),
  'sees all progress once although the network breaks three times': streamCut(3),

  'is asked although the network breaks': {
    needs: 'resuming a question',
    run: (_, peer, url) =>
      withCutter(url, (cutter) =>
        withSession(peer, cutter.url, {}, async (session) => {
          session.answer['elicitation/create'] = () => {
            return { action: 'accept', content: { username: 'Ada', email: 'ada@example.com' } };
          };
          // Within the question, behind the event that primes its stream.
          cutter.arm(1, CUT_WITHIN_QUESTION);
          const result = await session.call('test_elicitation', { message: 'Who are you?' });
          assert.match(texts(result)[0], /action=accept/);
          assert.equal(cutter.cuts(), 1);
        }),
      ),
  },
  'hears changes again although its own stream broke': (_, peer, url) =>
    withCutter(url, (cutter) =>
      withSession(peer, cutter.url, {}, async (session) => {
        await session.listening();
        const heard = collector();
        session.on('notifications/tools/list_changed', (notification) => heard.push(notification));
        await session.call('test_trigger_tool_change', {});
        await heard.until(1);
        cutter.cutStreams();
        await session.call('test_trigger_tool_change', {});
        await heard.until(2);
      }),
    ),

  'is let go by a call and comes back for the result': {
    needs: 'returning',
    run: async (session) => {
      assert.deepEqual(texts(await session.call('test_reconnection', {})), ['Reconnection test completed']);
    },
  },
  'leaves a call that another client of its session takes over': async (_, peer, url) => {
    const first = await peer.open(url);
    const tokens = collector();
    const options = { onprogress: () => {}, onresumptiontoken: tokens.push };
    const call = rejection(first.call('test_tool_with_progress', {}, options));
    const [resumptionToken] = await tokens.until(1);
    await first.close();
    await call;
    await withSession(peer, url, { sessionId: first.sessionId() }, async (second) => {
      const result = await second.call('test_tool_with_progress', {}, { resumptionToken });
      assert.deepEqual(texts(result), ['Tool with progress executed successfully']);
    });
  },

  'ends its session, which is unknown from then on': async (_, peer, url) => {
    const session = await peer.open(url);
    const sessionId = session.sessionId();
    assert.equal(await status(url, sessionId), 200);
    await session.terminate();
    await session.close();
    assert.equal(await status(url, sessionId), 404);
    await withSession(peer, url, { sessionId }, async (late) => {
      assert.match(String(await rejection(late.call('echo', { message: 'late' }))), /404|session/i);
    });
    await withSession(peer, url, {}, (fresh) => echo(fresh, 'in a new session'));
  },
};
