// What happens between the clients and the server: a network that breaks where a check says, and
// word of the moment at which a session's own stream is open.

import { connect, createServer } from 'node:net';

const STREAM_HEAD = /content-type: *text\/event-stream/i;

/**
 * Passes bytes on, and cuts event streams, in the middle of an event if the count of bytes ends
 * there. Listens on a free port for clients of `url`; its own `url` leads there through it.
 */
export async function openCutter(url) {
  const target = new URL(url);
  const sockets = new Set();
  const streams = new Set();
  const cutter = { cuts: 0, left: 0, bytes: 0 };

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let passed;
    let isCut = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('close', () => {
      streams.delete(client);
      upstream.destroy();
    });
    upstream.on('close', () => client.end());
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      if (isCut) return;
      const isStream = STREAM_HEAD.test(chunk.toString('latin1'));
      if (isStream) streams.add(client);
      if (isStream && passed === undefined && cutter.left > 0) passed = 0;
      const room = cutter.bytes - passed;
      if (passed === undefined || cutter.left === 0 || chunk.length < room) {
        if (passed !== undefined) passed += chunk.length;
        client.write(chunk);
        return;
      }
      cutter.left -= 1;
      cutter.cuts += 1;
      isCut = true;
      client.write(chunk.subarray(0, room), () => client.destroy());
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));

  const own = new URL(url);
  own.port = server.address().port;
  return {
    url: own.href,
    cuts: () => cutter.cuts,
    /** Cuts the next `times` event streams, each behind this many bytes. */
    arm: (times, bytes) => Object.assign(cutter, { cuts: 0, left: times, bytes }),
    /** Cuts every connection that has carried an event stream. */
    cutStreams: () => streams.forEach((client) => client.destroy()),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const openStreams = new Map();

function open(sessionId) {
  if (!openStreams.has(sessionId)) openStreams.set(sessionId, Promise.withResolvers());
  return openStreams.get(sessionId);
}

/** Resolves once the session's own stream, which its client opens by GET, is open. */
export const listening = (sessionId) => open(sessionId).promise;

/** Has `fetch`, which all these clients go by, tell of streams that open. */
export function watchFetch() {
  const { fetch } = globalThis;
  globalThis.fetch = async (url, init = {}) => {
    const response = await fetch(url, init);
    const sessionId = new Headers(init.headers).get('mcp-session-id');
    if (sessionId && init.method === 'GET' && response.ok) open(sessionId).resolve();
    return response;
  };
}
