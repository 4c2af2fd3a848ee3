"""The official Python client against one server, in each of its modes. Usage: main.py URL"""

import sys
import time
import traceback
from collections.abc import Awaitable, Callable

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

CONCURRENT = 20
STREAMED = 20
LIMIT_S = 30
LEGACY = "2025-11-25"
MODERN = "2026-07-28"

# Mode of the client, and the revision that it must come to speak.
PEERS = {"legacy": LEGACY, MODERN: MODERN, "auto": MODERN}

Check = Callable[[Client], Awaitable[None]]


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if block.type == "text"]


def equal(actual: object, expected: object) -> None:
    assert actual == expected, f"got {actual!r}, not {expected!r}"


async def echo(client: Client, message: str) -> None:
    result = await client.call_tool("echo", {"message": message})
    assert not result.is_error
    equal(texts(result), [message])


async def stream(client: Client, count: int) -> None:
    """Calls `stream` and checks that each notification came, in order, before the result."""
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, _message: str | None) -> None:
        seen.append((progress, total))

    result = await client.call_tool("stream", {"count": count}, progress_callback=note)
    equal(texts(result), ["done"])
    equal([progress for progress, _ in seen], [float(i) for i in range(1, count + 1)])
    for _, total in seen:
        assert total is None or total == count, f"total {total}"


async def refused(client: Client, tool: str) -> MCPError:
    try:
        result = await client.call_tool(tool, {})
    except MCPError as error:
        return error
    raise AssertionError(f"an error was due, got {result}")


async def together(works: list[Callable[[], Awaitable[None]]]) -> None:
    async with anyio.create_task_group() as tasks:
        for work in works:
            tasks.start_soon(work)


async def lists_every_tool_once_the_plain_one_first(client: Client) -> None:
    listing = await client.list_tools(cache_mode="refresh")
    names = [tool.name for tool in listing.tools]
    equal(listing.next_cursor, None)
    equal(names[0], "test_simple_text")
    equal(len(set(names)), len(names))
    for name in ["echo", "add", "stream", "sleep", "test_error_handling"]:
        assert name in names, name


async def echoes_what_it_sent(client: Client) -> None:
    for message in ["plain", "", 'Grüße, 世界 \U0001f980 "\\ \n\t\u0001\u2028', "x" * 256 * 1024]:
        await echo(client, message)


async def adds_two_numbers(client: Client) -> None:
    [total] = texts(await client.call_tool("add", {"a": 2.5, "b": 4}))
    equal(float(total), 6.5)


async def receives_text_image_audio_and_resource_blocks(client: Client) -> None:
    expected = {
        "test_simple_text": ["text"],
        "test_image_content": ["image"],
        "test_audio_content": ["audio"],
        "test_embedded_resource": ["resource"],
        "test_multiple_content_types": ["text", "image", "resource"],
    }
    for tool, kinds in expected.items():
        result = await client.call_tool(tool, {})
        equal([block.type for block in result.content], kinds)


async def sees_all_progress_in_order_before_the_result(client: Client) -> None:
    await stream(client, STREAMED)


async def streams_nothing_when_it_asks_for_no_progress(client: Client) -> None:
    equal(texts(await client.call_tool("stream", {"count": STREAMED})), ["done"])


async def gets_a_failed_tool_as_a_result(client: Client) -> None:
    result = await client.call_tool("test_error_handling", {})
    assert result.is_error
    assert "intentionally returns an error" in texts(result)[0]


async def gets_wrong_arguments_as_a_failed_tool(client: Client) -> None:
    result = await client.call_tool("add", {"a": "two", "b": 4})
    assert result.is_error


async def gets_an_unknown_tool_as_error_32602(client: Client) -> None:
    equal((await refused(client, "no_such_tool")).code, -32602)


async def has_arguments_mirrored_in_headers_accepted(client: Client) -> None:
    await client.list_tools(cache_mode="refresh")
    for value in ["plain", " blanks ", "Käse", "=?base64?eA==?=", ""]:
        result = await client.call_tool("test_custom_header", {"value": value})
        assert not result.is_error, repr(value)


async def calls_concurrently_without_mixing_answers(client: Client) -> None:
    await together([lambda i=i: echo(client, f"call {i} {'.' * i * 100}") for i in range(CONCURRENT)])


async def streams_concurrently_without_mixing_progress(client: Client) -> None:
    await together([lambda i=i: stream(client, i) for i in range(1, CONCURRENT + 1)])


async def waits_concurrently_not_in_turn(client: Client) -> None:
    async def nap() -> None:
        equal(texts(await client.call_tool("sleep", {"ms": 250})), ["slept"])

    began = time.monotonic()
    await together([nap] * CONCURRENT)
    took = time.monotonic() - began
    assert 0.25 <= took < 2.5, f"{CONCURRENT} sleeps of 250 ms took {took:.2f} s"


async def cancels_a_call_and_goes_on(client: Client) -> None:
    began = time.monotonic()
    with anyio.move_on_after(0.2) as limit:
        await client.call_tool("sleep", {"ms": 20_000})
    assert limit.cancelled_caught, "the call ended before it was cancelled"
    assert time.monotonic() - began < 2, "the cancelled call hung"
    await echo(client, "after the cancelled call")


async def is_told_which_capability_it_lacks(client: Client) -> None:
    error = (await refused(client, "test_missing_capability")).error
    equal(error.code, -32021)
    equal((error.data or {}).get("requiredCapabilities"), {"sampling": {}})


async def pings(client: Client) -> None:
    await client.session.send_ping()


CHECKS: list[Check] = [
    lists_every_tool_once_the_plain_one_first,
    echoes_what_it_sent,
    adds_two_numbers,
    receives_text_image_audio_and_resource_blocks,
    sees_all_progress_in_order_before_the_result,
    streams_nothing_when_it_asks_for_no_progress,
    gets_a_failed_tool_as_a_result,
    gets_wrong_arguments_as_a_failed_tool,
    gets_an_unknown_tool_as_error_32602,
    has_arguments_mirrored_in_headers_accepted,
    calls_concurrently_without_mixing_answers,
    streams_concurrently_without_mixing_progress,
    waits_concurrently_not_in_turn,
    cancels_a_call_and_goes_on,
]
LEGACY_CHECKS: list[Check] = [pings]
MODERN_CHECKS: list[Check] = [is_told_which_capability_it_lacks]


async def run_check(peer: str, check: Check, client: Client) -> bool:
    title = check.__name__.replace("_", " ")
    try:
        with anyio.fail_after(LIMIT_S):
            await check(client)
    except Exception:
        print(f"FAILED  {peer}: {title}: {traceback.format_exc()}", flush=True)
        return False
    print(f"ok      {peer}: {title}", flush=True)
    return True


async def run_peer(url: str, mode: str, revision: str) -> int:
    """Runs every check in one mode of the client; returns how many failed."""
    peer = f"mcp 2, {mode}"
    checks = CHECKS + (MODERN_CHECKS if revision == MODERN else LEGACY_CHECKS)
    try:
        with anyio.fail_after(LIMIT_S * len(checks)):
            async with Client(url, mode=mode) as client:
                equal(client.protocol_version, revision)
                return [await run_check(peer, check, client) for check in checks].count(False)
    except Exception:
        print(f"FAILED  {peer}: connects and closes: {traceback.format_exc()}", flush=True)
        return 1


async def main(url: str) -> int:
    failed = 0
    for mode, revision in PEERS.items():
        failed += await run_peer(url, mode, revision)
    print("python clients: all well" if failed == 0 else f"python clients: {failed} checks failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: main.py URL")
    sys.exit(anyio.run(main, sys.argv[1]))
