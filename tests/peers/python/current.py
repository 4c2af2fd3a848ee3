"""The current major of the official Python client, `mcp` 2, in each of its modes."""

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from session import Heard, Json, Peer, Refused, accept
from tasks import Tasks

LEGACY = "2025-11-25"
MODERN = "2026-07-28"

# Half of what is tested here is to go, and says so.
warnings.simplefilter("ignore")


def plain(result: Any) -> Json:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


class Current:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.version = ""
        self.heard = Heard()
        self.answer: Callable[[Json], Json] = accept({})
        self.session_id: str | None = None
        self.listening = anyio.Event()

    async def ask(self, method: str, **params: Any) -> Json:
        if method.startswith("list_"):
            params["cache_mode"] = "refresh"
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
        return self.client.listen(**kinds)


async def refusing(work: Awaitable[Any]) -> Json:
    try:
        return plain(await work)
    except MCPError as error:
        raise Refused(error.code, error.message, error.error.data) from error


def callbacks(session: Current) -> dict[str, Any]:
    async def sample(_context: Any, _params: Any) -> types.CreateMessageResult:
        said = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=said, model="made-up")

    async def roots(_context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///example", name="work")])

    async def elicit(_context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult.model_validate(session.answer(plain(params)))

    return {
        "sampling_callback": sample,
        "list_roots_callback": roots,
        "elicitation_callback": elicit,
        "extensions": [Tasks(lambda params: session.answer(params))],
    }


@asynccontextmanager
async def connect(url: str, can: bool = True, *, mode: str) -> AsyncIterator[Current]:
    session: Current

    async def note(response: httpx2.Response) -> None:
        session.session_id = response.headers.get("mcp-session-id", session.session_id)
        if response.request.method == "GET" and response.status_code == 200:
            session.listening.set()

    async def hear(message: Any) -> None:
        if not isinstance(message, Exception):
            session.heard.note(message.method, plain(message.params) if message.params else {})

    timeout = httpx2.Timeout(30, read=300)
    async with httpx2.AsyncClient(timeout=timeout, event_hooks={"response": [note]}) as http:
        session = Current.__new__(Current)
        transport = streamable_http_client(url, http_client=http)
        asked = callbacks(session) if can else {}
        client = Client(transport, mode=mode, message_handler=hear, **asked)
        session.__init__(client)
        async with client:
            session.version = client.protocol_version
            yield session


RESUMES_ONCE = {
    "resuming again": "it asks again for what it has seen when a resumed stream breaks, twice at most",
    "taking over": "it does not go on with the session of another client",
}
PEERS = [
    Peer("mcp 2, legacy", LEGACY, False, partial(connect, mode="legacy"), RESUMES_ONCE),
    Peer("mcp 2, modern", MODERN, True, partial(connect, mode=MODERN)),
    Peer("mcp 2, probing", MODERN, True, partial(connect, mode="auto")),
]
