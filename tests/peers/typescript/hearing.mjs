// What each official TypeScript client must hear from `examples/everything` without asking for an
// answer: logs and changes.

import assert from 'node:assert/strict';

import { collector, withSession } from './helpers.mjs';

const WATCHED = { uri: 'test://watched-resource' };
const STEPS = ['Tool execution started', 'Tool processing data', 'Tool execution completed'];
const LISTS = { tool: 'tools', prompt: 'prompts', resource: 'resources' };

/** Has what comes by this method collected. */
function hear(session, method) {
  const heard = collector();
  session.on(method, (notification) => heard.push(notification.params));
  return heard;
}

async function heardEveryList(session) {
  for (const [kind, kinds] of Object.entries(LISTS)) {
    const heard = hear(session, `notifications/${kinds}/list_changed`);
    await session.call(`test_trigger_${kind}_change`, {});
    await heard.until(1);
  }
}

/** Has the watched resource change and checks that it was heard, once for each change. */
async function heardTheResource(session) {
  const updated = hear(session, 'notifications/resources/updated');
  for (const count of [1, 2]) {
    await session.call('test_trigger_resource_update', {});
    const [{ uri }] = await updated.until(count);
    assert.equal(uri, WATCHED.uri);
  }
  return updated;
}

async function logged(session, tool, meta) {
  const heard = hear(session, 'notifications/message');
  await session.call(tool, {}, {}, meta);
  return heard.items.map(({ data }) => data);
}

export const LEGACY_HEARING = {
  pings: (session) => session.client.ping(),

  'hears logs from the level that it sets': async (session) => {
    await session.client.setLoggingLevel('debug');
    assert.deepEqual(await logged(session, 'test_tool_with_logging'), STEPS);
    await session.client.setLoggingLevel('error');
    assert.deepEqual(await logged(session, 'test_tool_with_logging'), []);
  },
  'hears that lists changed': async (session) => {
    await session.listening();
    await heardEveryList(session);
  },
  'hears that a resource changed, until it unsubscribes': async (session) => {
    await session.listening();
    await session.client.subscribeResource(WATCHED);
    const updated = await heardTheResource(session);
    await session.client.unsubscribeResource(WATCHED);
    await session.call('test_trigger_resource_update', {});
    const tools = hear(session, 'notifications/tools/list_changed');
    await session.call('test_trigger_tool_change', {});
    await tools.until(1);
    assert.equal(updated.items.length, 2);
  },
};

const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

export const MODERN_HEARING = {
  'hears logs where its request says so': async (session) => {
    assert.deepEqual(await logged(session, 'test_tool_with_logging', { [LOG_LEVEL]: 'info' }), STEPS);
    assert.deepEqual(await logged(session, 'test_tool_with_logging', { [LOG_LEVEL]: 'error' }), []);
    assert.deepEqual(await logged(session, 'test_tool_with_logging'), []);
  },
  'listens for changes': (_, peer, url) =>
    withSession(peer, url, {}, async (session) => {
      const filter = {
        toolsListChanged: true,
        promptsListChanged: true,
        resourcesListChanged: true,
        resourceSubscriptions: [WATCHED.uri],
      };
      const subscription = await session.client.listen(filter);
      assert.deepEqual(subscription.honoredFilter, filter);
      await heardEveryList(session);
      await heardTheResource(session);
      await subscription.close();
      assert.equal(await subscription.closed, 'local');
    }),
  'hears only what it listens for': (_, peer, url) =>
    withSession(peer, url, {}, async (session) => {
      const subscription = await session.client.listen({ promptsListChanged: true });
      const tools = hear(session, 'notifications/tools/list_changed');
      const prompts = hear(session, 'notifications/prompts/list_changed');
      await session.call('test_trigger_tool_change', {});
      await session.call('test_trigger_prompt_change', {});
      await prompts.until(1);
      assert.deepEqual(tools.items, []);
      await subscription.close();
    }),
};
