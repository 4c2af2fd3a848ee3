"""What the checks know of a client of either major: a `Session`, whose results are plain JSON."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

Json = dict[str, Any]


class Refused(Exception):
    """A JSON-RPC error of the server."""

    def __init__(self, code: int, message: str, data: Any) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.data = code, data


@dataclass
class Heard:
    """What a session heard, by method; `until` waits for that many of one."""

    by_method: dict[str, list[Json]] = field(default_factory=dict)
    news: anyio.Event = field(default_factory=anyio.Event)

    def note(self, method: str, params: Json) -> None:
        self.by_method.setdefault(method, []).append(params)
        self.news.set()
        self.news = anyio.Event()

    def of(self, method: str) -> list[Json]:
        return self.by_method.get(method, [])

    async def until(self, method: str, count: int) -> list[Json]:
        while len(self.of(method)) < count:
            await self.news.wait()
        return self.of(method)


def accept(content: Json) -> Callable[[Json], Json]:
    return lambda _: {"action": "accept", "content": content}


class Session(Protocol):
    """A client that is connected. `answer` says what it answers to a form."""

    version: str
    heard: Heard
    answer: Callable[[Json], Json]
    session_id: str | None
    #: Set once the stream for what belongs to no request is open.
    listening: anyio.Event

    async def ask(self, method: str, **params: Any) -> Json:
        """Asks by one of: list_tools, list_resources, list_resource_templates, list_prompts,
        read_resource, get_prompt, complete, subscribe_resource, unsubscribe_resource,
        set_logging_level, send_ping."""
        ...

    async def call(
        self,
        tool: str,
        arguments: Json,
        progress: Callable[[float, float | None, str | None], Awaitable[None]] | None = None,
        meta: Json | None = None,
    ) -> Json: ...

    def listen(self, **kinds: Any) -> AbstractAsyncContextManager[Any]: ...


Open = Callable[..., AbstractAsyncContextManager[Session]]


@dataclass
class Peer:
    """One way of using one client. `lacks` says why it cannot do what a check needs."""

    name: str
    version: str
    modern: bool
    #: `open(url, can=...)`: connects, with or without what a server may ask for.
    open: Open
    lacks: dict[str, str] = field(default_factory=dict)
