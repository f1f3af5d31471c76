/** The client of `@modelcontextprotocol/sdk`, which speaks 2025-11-25. */

import { drive, installed, transport } from './driver.mjs';

const { Client } = installed('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = installed('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = installed('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { McpError } = installed('@modelcontextprotocol/sdk/types.js');

const link = transport(StreamableHTTPClientTransport, StdioClientTransport);
let agreed;
const pass = link.setProtocolVersion?.bind(link);
// The client tells its transport and nobody else.
link.setProtocolVersion = (version) => {
  agreed = version;
  pass?.(version);
};

await drive(new Client({ name: 'sdk_1', version: '1' }), link, () => agreed, McpError);
