// The official TypeScript clients against one server. Usage: node main.mjs URL

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { runPeer } from './checks.mjs';

const IDENTITY = { name: 'ringlane-peer-typescript', version: '1.0.0' };
const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';

/** The current major, which picks its era by `mode`. */
async function openCurrent(url, mode) {
  const client = new Client(IDENTITY, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return {
    version: client.getNegotiatedProtocolVersion(),
    listTools: () => client.listTools(undefined, { cacheMode: 'refresh' }),
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    ping: () => client.ping(),
    close: () => client.close(),
  };
}

/** The major before it, which knows no era but the legacy one. */
async function openOld(url) {
  const client = new OldClient(IDENTITY);
  const transport = new OldTransport(new URL(url));
  await client.connect(transport);
  return {
    version: transport.protocolVersion,
    listTools: () => client.listTools(),
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    ping: () => client.ping(),
    close: () => client.close(),
  };
}

const PEERS = [
  { name: 'sdk 1, legacy', version: LEGACY, modern: false, open: openOld },
  { name: 'client 2, legacy', version: LEGACY, modern: false, open: (url) => openCurrent(url, 'legacy') },
  { name: 'client 2, modern', version: MODERN, modern: true, open: (url) => openCurrent(url, { pin: MODERN }) },
  { name: 'client 2, probing', version: MODERN, modern: true, open: (url) => openCurrent(url, 'auto') },
];

const [url] = process.argv.slice(2);
if (!url) {
  console.error('usage: node main.mjs URL');
  process.exit(2);
}
let failed = 0;
for (const peer of PEERS) failed += await runPeer(peer, url);
console.log(failed === 0 ? 'typescript clients: all well' : `typescript clients: ${failed} checks failed`);
process.exit(failed === 0 ? 0 : 1);
