// What each official TypeScript client must see of the tasks of `examples/everything`.

import assert from 'node:assert/strict';

import { texts } from './helpers.mjs';

export const TASKS = {
  'waits for a task': {
    needs: 'tasks',
    run: async (session) => {
      assert.match(texts(await session.call('slow_compute', { seconds: 1, label: 'peer' }))[0], /peer/);
    },
  },
};
