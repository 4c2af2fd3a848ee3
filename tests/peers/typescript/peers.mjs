// The official TypeScript clients, each behind the same few functions, so that one table of checks
// tests them all.
//
// A peer is `{ name, version, modern, lacks, open(url, options) }`. `lacks` says, feature by
// feature, why this client cannot do what a check needs. `open` connects: `declare` replaces the
// capabilities that it declares, `sessionId` goes on with a session instead of opening one.
// `unknownResource` is the code in which the client shows that there is no such resource.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as types1 from '@modelcontextprotocol/sdk/types.js';
import { Client as Client0618 } from 'sdk-2025-06-18/client/index.js';
import { StreamableHTTPClientTransport as Transport0618 } from 'sdk-2025-06-18/client/streamableHttp.js';
import * as types0618 from 'sdk-2025-06-18/types.js';
import { Client as Client0326 } from 'sdk-2025-03-26/client/index.js';
import { StreamableHTTPClientTransport as Transport0326 } from 'sdk-2025-03-26/client/streamableHttp.js';
import * as types0326 from 'sdk-2025-03-26/types.js';

import { listening } from './network.mjs';

const IDENTITY = { name: 'ringlane-peer-typescript', version: '1.0.0' };
export const MODERN = '2026-07-28';

const RECONNECTION = {
  initialReconnectionDelay: 50,
  maxReconnectionDelay: 1000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: 5,
};

// How the major before names what the current one names by its method.
const SCHEMAS = {
  'sampling/createMessage': 'CreateMessageRequestSchema',
  'elicitation/create': 'ElicitRequestSchema',
  'roots/list': 'ListRootsRequestSchema',
  'notifications/message': 'LoggingMessageNotificationSchema',
  'notifications/tools/list_changed': 'ToolListChangedNotificationSchema',
  'notifications/prompts/list_changed': 'PromptListChangedNotificationSchema',
  'notifications/resources/list_changed': 'ResourceListChangedNotificationSchema',
  'notifications/resources/updated': 'ResourceUpdatedNotificationSchema',
};

/** What every client here answers when it is asked; a check may replace an answer. */
const answers = () => ({
  'sampling/createMessage': () => ({
    model: 'made-up',
    role: 'assistant',
    content: { type: 'text', text: 'Paris' },
  }),
  'elicitation/create': () => ({ action: 'cancel' }),
  'roots/list': () => ({ roots: [{ uri: 'file:///example', name: 'work' }] }),
});

/** What all majors name alike. */
function session(client, transport, own) {
  return {
    client,
    sessionId: () => transport.sessionId,
    /** Resolves once the stream for what belongs to no request is open. */
    listening: () => listening(transport.sessionId),
    terminate: () => transport.terminateSession(),
    close: () => client.close(),
    ...own,
  };
}

/** The major before, at any of its ages. */
function before(OldClient, OldTransport, types, version) {
  return async (url, { declare, sessionId } = {}) => {
    const transport = new OldTransport(new URL(url), { sessionId, reconnectionOptions: RECONNECTION });
    if (sessionId !== undefined) transport.setProtocolVersion?.(version);
    const elicitation = version === '2025-11-25' ? { form: {}, url: {} } : {};
    const able = { sampling: {}, roots: {}, ...(types.ElicitRequestSchema ? { elicitation } : {}) };
    const client = new OldClient(IDENTITY, { capabilities: declare ?? able });
    const answer = answers();
    for (const method of Object.keys(declare ? {} : answer)) {
      const schema = types[SCHEMAS[method]];
      if (schema) client.setRequestHandler(schema, ({ params }) => answer[method](params));
    }
    await client.connect(transport);
    return session(client, transport, {
      // The oldest does not tell what was settled; it refuses what it does not know.
      version: transport.protocolVersion ?? version,
      answer,
      listTools: () => client.listTools(),
      call: (name, args, options, meta) =>
        client.callTool({ name, arguments: args, ...(meta && { _meta: meta }) }, undefined, options),
      on: (method, handler) => client.setNotificationHandler(types[SCHEMAS[method]], handler),
    });
  };
}

/** The current major, which picks its era by `mode`. */
function current(mode) {
  return async (url, { declare, sessionId } = {}) => {
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      sessionId,
      protocolVersion: sessionId && '2025-11-25',
      reconnectionOptions: RECONNECTION,
    });
    const able = { sampling: {}, roots: {}, elicitation: { form: {}, url: {} } };
    const client = new Client(IDENTITY, { capabilities: declare ?? able, versionNegotiation: { mode } });
    const answer = answers();
    for (const method of Object.keys(declare ? {} : answer)) {
      client.setRequestHandler(method, ({ params }) => answer[method](params));
    }
    await client.connect(transport);
    return session(client, transport, {
      version: client.getNegotiatedProtocolVersion(),
      answer,
      listTools: () => client.listTools(undefined, { cacheMode: 'refresh' }),
      call: (name, args, options, meta) =>
        client.callTool({ name, arguments: args, ...(meta && { _meta: meta }) }, options),
      on: (method, handler) => client.setNotificationHandler(method, handler),
    });
  };
}

const NO_TASKS = 'it has no calls for the tasks extension';
const RETURNS_ONLY_AFTER_ERRORS = 'it comes back to a stream that broke, not to one that was closed';
const NEVER_RETURNS = 'it comes back to no stream of a call';

export const PEERS = [
  {
    name: 'sdk 1.12, legacy',
    version: '2025-03-26',
    unknownResource: -32002,
    lacks: {
      elicitation: 'its revision cannot ask a person',
      'elicitation by page': 'its revision cannot ask a person',
      'structured content': 'its revision has none',
      'resuming a question': 'its revision cannot ask a person',
      returning: RETURNS_ONLY_AFTER_ERRORS,
    },
    open: before(Client0326, Transport0326, types0326, '2025-03-26'),
  },
  {
    name: 'sdk 1.17, legacy',
    version: '2025-06-18',
    unknownResource: -32002,
    lacks: {
      'elicitation by page': 'its revision asks by forms alone',
      resuming: NEVER_RETURNS,
      'resuming a question': NEVER_RETURNS,
      returning: NEVER_RETURNS,
    },
    open: before(Client0618, Transport0618, types0618, '2025-06-18'),
  },
  {
    name: 'sdk 1.32, legacy',
    version: '2025-11-25',
    unknownResource: -32002,
    lacks: {},
    open: before(Client1, Transport1, types1, '2025-11-25'),
  },
  {
    name: 'client 2, legacy',
    version: '2025-11-25',
    // It shows the code of the modern era for that of the legacy one.
    unknownResource: -32602,
    lacks: {},
    open: current('legacy'),
  },
  {
    name: 'client 2, modern',
    version: MODERN,
    modern: true,
    unknownResource: -32602,
    lacks: { tasks: NO_TASKS },
    open: current({ pin: MODERN }),
  },
  {
    name: 'client 2, probing',
    version: MODERN,
    modern: true,
    unknownResource: -32602,
    lacks: { tasks: NO_TASKS },
    open: current('auto'),
  },
];
