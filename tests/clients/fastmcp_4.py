"""The client of `fastmcp` 4 as it comes, which speaks 2026-07-28 to those who can and falls back for others."""

from contextlib import asynccontextmanager

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp import MCPError
from mcp.types import CallToolResult, ListToolsResult

from driver import bearer, drive


class AsTheOthers:
    """Asks and answers as the clients of `mcp` do."""

    def __init__(self, client):
        self.client = client

    async def list_tools(self):
        return ListToolsResult(tools=await self.client.list_tools())

    async def call_tool(self, name, arguments):
        got = await self.client.call_tool(name, arguments, raise_on_error=False)
        if got.structured_content is not None and not got.is_error and got.data is None:
            raise ValueError(f"the client cannot read what {name} answered by the tool's output schema")
        return CallToolResult(content=got.content, structured_content=got.structured_content, is_error=got.is_error)


@asynccontextmanager
async def connect(target, on_message):
    # Without `keep_alive` the server ends with the connection.
    command = StdioTransport(command=target[0], args=target[1:], keep_alive=False)
    server = target[0] if target[0].startswith("http://") else command
    async with Client(server, auth=bearer(), message_handler=on_message) as client:
        yield AsTheOthers(client), client.protocol_version


drive(connect, MCPError)
