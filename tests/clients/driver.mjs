/**
 * Puts a TypeScript client into the hands of a test: what `driver.py` does for the Python ones, over the same lines.
 */

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

/** Loads a module of the packages that `package-lock.json` pins. */
export const installed = createRequire(new URL('../../target/clients/npm/', import.meta.url));

/** Makes a transport to what the arguments name, a URL or a command. */
export function transport(StreamableHTTPClientTransport, StdioClientTransport) {
  const [target, ...args] = process.argv.slice(2);
  return target.startsWith('http://')
    ? new StreamableHTTPClientTransport(new URL(target), { requestInit: { headers: headers() } })
    : new StdioClientTransport({ command: target, args });
}

/** What a request over HTTP says of its caller, if the server asks who calls. */
function headers() {
  const { BEARER } = process.env;
  return BEARER ? { Authorization: `Bearer ${BEARER}` } : {};
}

/** Connects, says with `protocol()` what was agreed on, and obeys until stdin ends. */
export async function drive(client, transport, protocol, ProtocolError) {
  const noise = [];
  client.onerror = (error) => noise.push(String(error));
  await client.connect(transport);
  say({ protocol: protocol() });
  for await (const line of createInterface({ input: process.stdin })) {
    say(await obey(client, JSON.parse(line), ProtocolError));
  }
  await transport.terminateSession?.();
  await client.close();
  say({ noise });
}

async function obey(client, command, ProtocolError) {
  try {
    if ('tools' in command) {
      return await client.listTools();
    }
    const [name, args] = command.call;
    return { result: await client.callTool({ name, arguments: args }) };
  } catch (refused) {
    if (!(refused instanceof ProtocolError)) {
      throw refused;
    }
    const { code, message, data } = refused;
    return { error: { code, message, data } };
  }
}

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
