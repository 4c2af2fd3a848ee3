"""A network that breaks: passes bytes on, and cuts event streams where a check says."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream

STREAM_HEAD = re.compile(rb"content-type: *text/event-stream", re.IGNORECASE)


class Cutter:
    """Passes connections on to `url`; `url` of its own leads there through it."""

    def __init__(self, url: str) -> None:
        self.target = urlsplit(url)
        self.url = ""
        self.cuts = 0
        self.left = 0
        self.limit = 0
        self.streams: set[anyio.CancelScope] = set()

    def arm(self, times: int, limit: int) -> None:
        """Cuts the next `times` event streams, each behind `limit` bytes."""
        self.cuts, self.left, self.limit = 0, times, limit

    def cut_streams(self) -> None:
        """Cuts every connection that has carried an event stream."""
        for connection in self.streams:
            connection.cancel()

    async def serve(self, client: SocketStream) -> None:
        assert self.target.hostname and self.target.port
        upstream = await anyio.connect_tcp(self.target.hostname, self.target.port)
        with anyio.CancelScope() as connection:
            try:
                async with client, upstream, anyio.create_task_group() as tasks:
                    tasks.start_soon(self.pass_requests, client, upstream)
                    await self.pass_answers(upstream, client, connection)
                    tasks.cancel_scope.cancel()
            except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            finally:
                self.streams.discard(connection)

    async def pass_requests(self, client: SocketStream, upstream: SocketStream) -> None:
        async for chunk in client:
            await upstream.send(chunk)
        await upstream.aclose()

    async def pass_answers(
        self, upstream: SocketStream, client: SocketStream, connection: anyio.CancelScope
    ) -> None:
        passed: int | None = None
        async for chunk in upstream:
            if STREAM_HEAD.search(chunk):
                self.streams.add(connection)
                passed = 0 if self.left > 0 and passed is None else passed
            if passed is None or self.left == 0 or passed + len(chunk) < self.limit:
                passed = None if passed is None else passed + len(chunk)
                await client.send(chunk)
                continue
            self.left -= 1
            self.cuts += 1
            await client.send(chunk[: self.limit - passed])
            return


@asynccontextmanager
async def open_cutter(url: str) -> AsyncIterator[Cutter]:
    cutter = Cutter(url)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    cutter.url = cutter.target._replace(netloc=f"127.0.0.1:{port}").geturl()
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, cutter.serve)
        yield cutter
        tasks.cancel_scope.cancel()
