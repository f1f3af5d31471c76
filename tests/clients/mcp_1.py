"""The client of `mcp` 1, which speaks 2025-11-25."""

from contextlib import asynccontextmanager

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from driver import drive, headers


@asynccontextmanager
async def transport(target):
    if target[0].startswith("http://"):
        async with create_mcp_http_client(headers()) as http:
            async with streamable_http_client(target[0], http_client=http) as streams:
                yield streams
    else:
        async with stdio_client(StdioServerParameters(command=target[0], args=target[1:])) as streams:
            yield streams


@asynccontextmanager
async def connect(target, on_message):
    async with transport(target) as (read, write, *_), ClientSession(read, write, message_handler=on_message) as session:
        agreed = await session.initialize()
        yield session, agreed.protocolVersion


drive(connect, McpError)
