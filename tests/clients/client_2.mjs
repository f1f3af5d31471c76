/**
 * The client of `@modelcontextprotocol/client`. As it comes it speaks 2025-11-25; with `CLIENT_2_NEGOTIATES` set it
 * asks for 2026-07-28 first, which its host has to want.
 */

import { drive, installed, transport } from './driver.mjs';

const { Client, ProtocolError, StreamableHTTPClientTransport } = installed('@modelcontextprotocol/client');
const { StdioClientTransport } = installed('@modelcontextprotocol/client/stdio');

const options = process.env.CLIENT_2_NEGOTIATES ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new Client({ name: 'client_2', version: '2' }, options);
const link = transport(StreamableHTTPClientTransport, StdioClientTransport);

await drive(client, link, () => client.getNegotiatedProtocolVersion(), ProtocolError);
