// What each official TypeScript client must be asked by `examples/everything`: forms, pages, its
// model, its folders. In the legacy era the server sends requests; in the modern one the client
// calls again with its answers, which these clients do by themselves. The checks are the same.

import assert from 'node:assert/strict';

import { rejection, texts, withSession } from './helpers.mjs';

const ASKS = 'elicitation/create';

async function said(session, tool, args = {}) {
  const result = await session.call(tool, args);
  assert.ok(!result.isError, texts(result)[0]);
  return texts(result)[0];
}

const accept = (content) => () => ({ action: 'accept', content });

export const ASKING = {
  'is asked by a form, and accepts': {
    needs: 'elicitation',
    run: async (session) => {
      let asked;
      session.answer[ASKS] = (params) => {
        asked = params;
        return { action: 'accept', content: { username: 'Ada', email: 'ada@example.com' } };
      };
      const text = await said(session, 'test_elicitation', { message: 'Who are you?' });
      assert.equal(asked.message, 'Who are you?');
      assert.deepEqual(Object.keys(asked.requestedSchema.properties), ['username', 'email']);
      assert.equal(text, 'User response: action=accept, content={"username":"Ada","email":"ada@example.com"}');
    },
  },
  'is asked by a form, and declines': {
    needs: 'elicitation',
    run: async (session) => {
      session.answer[ASKS] = () => ({ action: 'decline' });
      assert.match(await said(session, 'test_elicitation', { message: 'Who?' }), /action=decline/);
    },
  },
  'is asked with defaults and choices': {
    needs: 'elicitation',
    run: async (session, { version }) => {
      session.answer[ASKS] = accept({ name: 'Ada', age: 36, score: 1.5, status: 'active', verified: true });
      assert.match(await said(session, 'test_elicitation_sep1034_defaults'), /"score":1.5/);
      if (version < '2025-11-25') return;
      session.answer[ASKS] = accept({ untitledSingle: 'option1', untitledMulti: ['option1', 'option2'] });
      assert.match(await said(session, 'test_elicitation_sep1330_enums'), /"option2"/);
    },
  },
  'is sent to a page': {
    needs: 'elicitation by page',
    run: async (session) => {
      session.answer[ASKS] = ({ mode, url }) => {
        assert.equal(mode, 'url');
        assert.equal(url, 'https://example.com/sign-in');
        return { action: 'accept' };
      };
      assert.match(await said(session, 'test_url_elicitation'), /action=accept/);
    },
  },
  'is asked two things in turn': {
    needs: 'elicitation',
    run: async (session) => {
      session.answer[ASKS] = ({ requestedSchema }) => {
        const asked = Object.keys(requestedSchema.properties)[0];
        return { action: 'accept', content: { [asked]: { name: 'Ada', color: 'blue' }[asked] } };
      };
      assert.equal(await said(session, 'test_input_required_result_multi_round'), 'Ada likes blue');
    },
  },
  'is asked three things at once': {
    needs: 'elicitation',
    run: async (session) => {
      session.answer[ASKS] = accept({ name: 'Ada' });
      const text = await said(session, 'test_input_required_result_multiple_inputs');
      assert.equal(text, 'Paris Ada. 1 roots: file:///example');
    },
  },
  'is asked by a prompt': {
    needs: 'elicitation',
    run: async (session) => {
      session.answer[ASKS] = accept({ context: 'tea' });
      const { messages } = await session.client.getPrompt({ name: 'test_input_required_result_prompt' });
      assert.equal(messages[0].content.text, 'Let us talk about tea.');
    },
  },
  'has its model asked': async (session) => {
    assert.equal(await said(session, 'test_sampling', { prompt: 'Capital?' }), 'LLM response: Paris');
  },
  'has its folders asked for': async (session) => {
    assert.equal(await said(session, 'test_input_required_result_list_roots'), '1 roots: file:///example');
  },
  'is not asked what it did not declare': (_, peer, url) =>
    withSession(peer, url, { declare: {} }, async (session) => {
      const call = session.call('test_elicitation', { message: 'Who?' });
      if (peer.modern) {
        const error = await rejection(call);
        assert.equal(error.code, -32021);
        assert.ok(error.data?.requiredCapabilities.elicitation, JSON.stringify(error.data));
        return;
      }
      const result = await call;
      assert.equal(result.isError, true);
      assert.match(texts(result)[0], /elicitation/);
    }),
};

export const MODERN_ASKING = {
  'is told which capability it lacks': (_, peer, url) =>
    withSession(peer, url, { declare: {} }, async (session) => {
      const error = await rejection(session.call('test_missing_capability', {}));
      assert.equal(error.code, -32021);
      assert.deepEqual(error.data?.requiredCapabilities, { sampling: {} });
    }),
};
