"""What each official Python client must see of `examples/everything` in one of its eras: logs and
changes; in the legacy one, sessions and a network that breaks."""

import urllib.error
import urllib.request
from collections.abc import Callable

import anyio
import anyio.to_thread

from checks import WATCHED, Check, echo, equal, refused, said, stream
from network import open_cutter
from session import Peer, Session, accept

STREAMED_THROUGH_CUTS = 200
CUT_BEHIND_BYTES = 5000
CUT_WITHIN_QUESTION = 400
UPDATED = "notifications/resources/updated"
LISTS = {"tool": "tools", "prompt": "prompts", "resource": "resources"}
STEPS = ["Tool execution started", "Tool processing data", "Tool execution completed"]
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


def needs(feature: str) -> Callable[[Check], Check]:
    """Marks a check that not every client can run."""

    def mark(check: Check) -> Check:
        check.needs = feature  # type: ignore[attr-defined]
        return check

    return mark


def status(url: str, session_id: str) -> int:
    """The status of a plain request in a session."""
    fields = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": session_id,
    }
    request = urllib.request.Request(url, b'{"jsonrpc":"2.0","id":1,"method":"ping"}', fields)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


async def trigger_every_list(session: Session, count: int) -> None:
    for kind, kinds in LISTS.items():
        await session.call(f"test_trigger_{kind}_change", {})
        await session.heard.until(f"notifications/{kinds}/list_changed", count)


# The legacy era.


async def pings(session: Session, _peer: Peer, _url: str) -> None:
    equal(await session.ask("send_ping"), {})


async def hears_logs_from_the_level_that_it_sets(session: Session, _peer: Peer, _url: str) -> None:
    method = "notifications/message"
    await session.ask("set_logging_level", level="debug")
    await session.call("test_tool_with_logging", {})
    equal([log["data"] for log in await session.heard.until(method, len(STEPS))], STEPS)
    await session.ask("set_logging_level", level="error")
    await session.call("test_tool_with_logging", {})
    equal(len(session.heard.of(method)), len(STEPS))


async def hears_that_lists_changed(_: Session, peer: Peer, url: str) -> None:
    async with peer.open(url) as session:
        await session.listening.wait()
        await trigger_every_list(session, 1)


async def hears_that_a_resource_changed_until_it_unsubscribes(_: Session, peer: Peer, url: str) -> None:
    async with peer.open(url) as session:
        await session.listening.wait()
        await session.ask("subscribe_resource", uri=WATCHED)
        for count in [1, 2]:
            await session.call("test_trigger_resource_update", {})
            equal((await session.heard.until(UPDATED, count))[-1]["uri"], WATCHED)
        await session.ask("unsubscribe_resource", uri=WATCHED)
        await session.call("test_trigger_resource_update", {})
        await trigger_every_list(session, 1)
        equal(len(session.heard.of(UPDATED)), 2)


def sees_progress_through_cuts(times: int) -> Check:
    async def check(_: Session, peer: Peer, url: str) -> None:
        async with open_cutter(url) as cutter, peer.open(cutter.url) as session:
            cutter.arm(times, CUT_BEHIND_BYTES)
            await stream(session, STREAMED_THROUGH_CUTS)
            equal(cutter.cuts, times)
            await echo(session, "after the cut")

    check.__name__ = f"sees_all_progress_once_although_the_network_breaks_{times}_times"
    return needs("resuming again")(check) if times > 1 else check


async def is_asked_although_the_network_breaks(_: Session, peer: Peer, url: str) -> None:
    async with open_cutter(url) as cutter, peer.open(cutter.url) as session:
        session.answer = accept({"username": "Ada", "email": "ada@example.com"})
        # Within the question, behind the event that primes its stream.
        cutter.arm(1, CUT_WITHIN_QUESTION)
        assert "action=accept" in await said(session, "test_elicitation", {"message": "Who are you?"})
        equal(cutter.cuts, 1)


async def hears_changes_again_although_its_own_stream_broke(_: Session, peer: Peer, url: str) -> None:
    method = "notifications/tools/list_changed"
    async with open_cutter(url) as cutter, peer.open(cutter.url) as session:
        await session.listening.wait()
        await session.call("test_trigger_tool_change", {})
        await session.heard.until(method, 1)
        cutter.cut_streams()
        await session.call("test_trigger_tool_change", {})
        await session.heard.until(method, 2)


async def is_let_go_by_a_call_and_comes_back_for_the_result(session: Session, _peer: Peer, _url: str) -> None:
    equal(await said(session, "test_reconnection"), "Reconnection test completed")


async def ends_its_session_which_is_unknown_from_then_on(_: Session, peer: Peer, url: str) -> None:
    async with peer.open(url) as session:
        session_id = session.session_id
        assert session_id
        equal(await anyio.to_thread.run_sync(status, url, session_id), 200)
    equal(await anyio.to_thread.run_sync(status, url, session_id), 404)


async def waits_for_what_other_clients_get_as_a_task(session: Session, _peer: Peer, _url: str) -> None:
    assert "peer" in await said(session, "slow_compute", {"seconds": 1, "label": "peer"})


# The modern era.


async def is_told_which_capability_it_lacks(_: Session, peer: Peer, url: str) -> None:
    async with peer.open(url, can=False) as unable:
        error = await refused(unable.call("test_missing_capability", {}))
    equal(error.code, -32021)
    equal((error.data or {}).get("requiredCapabilities"), {"sampling": {}})


async def hears_logs_where_its_request_says_so(session: Session, _peer: Peer, _url: str) -> None:
    method = "notifications/message"
    await session.call("test_tool_with_logging", {}, meta={LOG_LEVEL: "info"})
    equal([log["data"] for log in await session.heard.until(method, len(STEPS))], STEPS)
    await session.call("test_tool_with_logging", {}, meta={LOG_LEVEL: "error"})
    await session.call("test_tool_with_logging", {})
    equal(len(session.heard.of(method)), len(STEPS))


async def listens_for_changes(_: Session, peer: Peer, url: str) -> None:
    kinds = {f"{kinds}_list_changed": True for kinds in LISTS.values()}
    async with (
        peer.open(url) as session,
        session.listen(**kinds, resource_subscriptions=[WATCHED]) as subscription,
    ):
        equal(subscription.honored.resource_subscriptions, [WATCHED])
        events = aiter(subscription)
        for kind in LISTS:
            await session.call(f"test_trigger_{kind}_change", {})
            equal(type(await anext(events)).__name__.lower(), f"{LISTS[kind]}listchanged")
        await session.call("test_trigger_resource_update", {})
        equal((await anext(events)).uri, WATCHED)


async def hears_only_what_it_listens_for(_: Session, peer: Peer, url: str) -> None:
    async with peer.open(url) as session, session.listen(prompts_list_changed=True) as subscription:
        await session.call("test_trigger_tool_change", {})
        await session.call("test_trigger_prompt_change", {})
        equal(type(await anext(aiter(subscription))).__name__, "PromptsListChanged")


async def waits_for_what_becomes_a_task(session: Session, _peer: Peer, _url: str) -> None:
    equal(await said(session, "greet", {"name": "Ada"}), "Hello, Ada!")
    assert "peer" in await said(session, "slow_compute", {"seconds": 1, "label": "peer"})


async def gets_failed_tasks_as_they_failed(session: Session, _peer: Peer, _url: str) -> None:
    assert (await session.call("failing_job", {}))["isError"]
    equal((await refused(session.call("protocol_error_job", {}))).code, -32603)


async def is_asked_by_tasks_and_before(session: Session, _peer: Peer, _url: str) -> None:
    session.answer = accept({"confirm": True})
    equal(await said(session, "confirm_delete", {"filename": "a.txt"}), "Deleted a.txt")
    session.answer = accept({"name": "Ada"})
    assert "Ada" in await said(session, "multi_input")
    equal(await said(session, "test_tool_with_task"), "Hello, Ada! The task is done.")


LEGACY_CHECKS: list[Check] = [
    pings,
    hears_logs_from_the_level_that_it_sets,
    hears_that_lists_changed,
    hears_that_a_resource_changed_until_it_unsubscribes,
    sees_progress_through_cuts(1),
    sees_progress_through_cuts(3),
    is_asked_although_the_network_breaks,
    hears_changes_again_although_its_own_stream_broke,
    is_let_go_by_a_call_and_comes_back_for_the_result,
    waits_for_what_other_clients_get_as_a_task,
    ends_its_session_which_is_unknown_from_then_on,
]
MODERN_CHECKS: list[Check] = [
    is_told_which_capability_it_lacks,
    hears_logs_where_its_request_says_so,
    listens_for_changes,
    hears_only_what_it_listens_for,
    waits_for_what_becomes_a_task,
    gets_failed_tasks_as_they_failed,
    is_asked_by_tasks_and_before,
]
