"""The client of `mcp` 1, which speaks 2025-11-25."""

from contextlib import asynccontextmanager

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from driver import drive


def transport(target):
    if target[0].startswith("http://"):
        return streamable_http_client(target[0])
    return stdio_client(StdioServerParameters(command=target[0], args=target[1:]))


@asynccontextmanager
async def connect(target, on_message):
    async with transport(target) as (read, write, *_), ClientSession(read, write, message_handler=on_message) as session:
        agreed = await session.initialize()
        yield session, agreed.protocolVersion


drive(connect, McpError)
