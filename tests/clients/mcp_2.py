"""The client of `mcp` 2 as it comes, which speaks 2026-07-28 to those who can and falls back for others."""

from contextlib import asynccontextmanager

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from driver import drive, headers


@asynccontextmanager
async def connect(target, on_message):
    command = StdioServerParameters(command=target[0], args=target[1:])
    async with create_mcp_http_client(headers()) as http:
        server = streamable_http_client(target[0], http_client=http) if target[0].startswith("http://") else command
        async with Client(server, message_handler=on_message) as client:
            yield client, client.protocol_version


drive(connect, MCPError)
