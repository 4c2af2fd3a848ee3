"""The major before of the official Python client, `mcp` 1, which knows the legacy era alone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import McpError

from session import Heard, Json, Peer, Refused, accept


def plain(result: Any) -> Json:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


class Old:
    def __init__(self) -> None:
        self.client: ClientSession
        self.version = ""
        self.heard = Heard()
        self.answer: Callable[[Json], Json] = accept({})
        self.session_id: str | None = None
        self.listening = anyio.Event()

    async def ask(self, method: str, **params: Any) -> Json:
        if method == "complete":
            params["ref"] = types.PromptReference(type="ref/prompt", name=params.pop("prompt"))
        return await refusing(getattr(self.client, method)(**params))

    async def call(
        self,
        tool: str,
        arguments: Json,
        progress: Callable[[float, float | None, str | None], Awaitable[None]] | None = None,
        meta: Json | None = None,
    ) -> Json:
        work = self.client.call_tool(tool, arguments, progress_callback=progress, meta=meta)
        return await refusing(work)

    def listen(self, **kinds: Any) -> AbstractAsyncContextManager[Any]:
        raise NotImplementedError("it knows the legacy era alone")


async def refusing(work: Awaitable[Any]) -> Json:
    try:
        return plain(await work)
    except McpError as error:
        raise Refused(error.error.code, error.error.message, error.error.data) from error


def callbacks(session: Old) -> dict[str, Any]:
    async def sample(_context: Any, _params: Any) -> types.CreateMessageResult:
        said = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=said, model="made-up")

    async def roots(_context: Any) -> types.ListRootsResult:
        root = types.Root.model_validate({"uri": "file:///example", "name": "work"})
        return types.ListRootsResult(roots=[root])

    async def elicit(_context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult.model_validate(session.answer(plain(params)))

    return {"sampling_callback": sample, "list_roots_callback": roots, "elicitation_callback": elicit}


@asynccontextmanager
async def connect(url: str, can: bool = True) -> AsyncIterator[Old]:
    session = Old()

    async def note(response: httpx.Response) -> None:
        session.session_id = response.headers.get("mcp-session-id", session.session_id)
        if response.request.method == "GET" and response.status_code == 200:
            session.listening.set()

    async def hear(message: Any) -> None:
        if isinstance(message, types.ServerNotification):
            params = message.root.params
            session.heard.note(message.root.method, plain(params) if params else {})

    timeout = httpx.Timeout(30, read=300)
    async with (
        httpx.AsyncClient(timeout=timeout, event_hooks={"response": [note]}) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(
            read, write, message_handler=hear, **(callbacks(session) if can else {})
        ) as client,
    ):
        session.client = client
        session.version = str((await client.initialize()).protocolVersion)
        yield session


LACKS = {
    "resuming again": "it asks again for what it has seen when a resumed stream breaks, twice at most",
    "taking over": "it does not go on with the session of another client",
}
PEERS = [Peer("mcp 1, legacy", "2025-11-25", False, connect, LACKS)]
