"""Puts an MCP client into the hands of a test: one command a line on stdin, one answer a line on stdout.

The first answer says which protocol version client and server agreed on. Then

    {"tools": null}                             is answered  {"tools": [...]}
    {"call": ["name", {"argument": "value"}]}   is answered  {"result": {...}} or {"error": {...}}

with everything spelled as on the wire. The end of stdin ends the connection properly; the last answer is what else
came over it, `{"noise": [...]}`, which should be nothing.
"""

import json
import os
import sys

import anyio
import anyio.to_thread

PATIENCE = 30


def bearer():
    """The token to show to a server over HTTP, if it asks who calls."""
    return os.environ.get("BEARER")


def headers():
    """What a request over HTTP says of its caller, for a library that has no other word for it."""
    return {"Authorization": f"Bearer {bearer()}"} if bearer() else {}


def say(answer):
    print(json.dumps(answer), flush=True)


def as_on_the_wire(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def obey(client, command, ProtocolError):
    try:
        match command:
            case {"tools": _}:
                return as_on_the_wire(await client.list_tools())
            case {"call": [name, arguments]}:
                return {"result": as_on_the_wire(await client.call_tool(name, arguments))}
    except ProtocolError as refused:
        return {"error": as_on_the_wire(refused.error)}


async def converse(connect, ProtocolError):
    noise = []

    async def on_message(message):
        if isinstance(message, Exception):
            noise.append(str(message))

    with anyio.fail_after(PATIENCE) as patience:
        async with connect(sys.argv[1:], on_message) as (client, protocol):
            say({"protocol": protocol})
            patience.deadline = float("inf")
            while command := await anyio.to_thread.run_sync(sys.stdin.readline):
                patience.deadline = anyio.current_time() + PATIENCE
                say(await obey(client, json.loads(command), ProtocolError))
                patience.deadline = float("inf")
            patience.deadline = anyio.current_time() + PATIENCE
    say({"noise": noise})


def drive(connect, ProtocolError):
    """Connects to what the arguments name, a URL or a command, and obeys until stdin ends."""
    anyio.run(converse, connect, ProtocolError)
