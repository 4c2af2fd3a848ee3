"""What each official Python client must see of `examples/everything`, whatever its era."""

import json
import time
from collections.abc import Awaitable, Callable

import anyio

from session import Json, Peer, Refused, Session, accept

CONCURRENT = 20
STREAMED = 20
WATCHED = "test://watched-resource"

Check = Callable[[Session, Peer, str], Awaitable[None]]


def texts(result: Json) -> list[str]:
    return [block["text"] for block in result["content"] if block["type"] == "text"]


def equal(actual: object, expected: object) -> None:
    assert actual == expected, f"got {actual!r}, not {expected!r}"


async def echo(session: Session, message: str) -> None:
    result = await session.call("echo", {"message": message})
    assert not result.get("isError")
    equal(texts(result), [message])


async def stream(session: Session, count: int) -> None:
    """Calls `stream` and checks that each notification came, in order, before the result."""
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, _message: str | None) -> None:
        seen.append((progress, total))

    result = await session.call("stream", {"count": count}, note)
    equal(texts(result), ["done"])
    equal([progress for progress, _ in seen], [float(i) for i in range(1, count + 1)])
    for _, total in seen:
        assert total is None or total == count, f"total {total}"


async def refused(work: Awaitable[Json]) -> Refused:
    try:
        result = await work
    except Refused as error:
        return error
    raise AssertionError(f"an error was due, got {result}")


async def together(works: list[Callable[[], Awaitable[None]]]) -> None:
    async with anyio.create_task_group() as tasks:
        for work in works:
            tasks.start_soon(work)


async def said(session: Session, tool: str, arguments: Json | None = None) -> str:
    result = await session.call(tool, arguments or {})
    assert not result.get("isError"), result
    return texts(result)[0]


async def speaks_the_expected_revision(session: Session, peer: Peer, _url: str) -> None:
    equal(session.version, peer.version)


async def lists_every_tool_once_the_plain_one_first(session: Session, _peer: Peer, _url: str) -> None:
    listing = await session.ask("list_tools")
    names = [tool["name"] for tool in listing["tools"]]
    equal(listing.get("nextCursor"), None)
    equal(names[0], "test_simple_text")
    equal(len(set(names)), len(names))
    for name in ["echo", "add", "stream", "sleep", "test_error_handling"]:
        assert name in names, name


async def lists_resources_templates_and_prompts(session: Session, _peer: Peer, _url: str) -> None:
    resources = (await session.ask("list_resources"))["resources"]
    assert {"test://static-text", WATCHED} <= {resource["uri"] for resource in resources}
    templates = (await session.ask("list_resource_templates"))["resourceTemplates"]
    assert "test://template/{id}/data" in {template["uriTemplate"] for template in templates}
    prompts = (await session.ask("list_prompts"))["prompts"]
    [two] = [prompt for prompt in prompts if prompt["name"] == "test_prompt_with_arguments"]
    equal([argument["name"] for argument in two["arguments"]], ["arg1", "arg2"])


async def echoes_what_it_sent(session: Session, _peer: Peer, _url: str) -> None:
    for message in ["plain", "", 'Grüße, 世界 \U0001f980 "\\ \n\t\u0001\u2028', "x" * 256 * 1024]:
        await echo(session, message)


async def adds_two_numbers(session: Session, _peer: Peer, _url: str) -> None:
    equal(float(await said(session, "add", {"a": 2.5, "b": 4})), 6.5)


async def gets_structured_content(session: Session, _peer: Peer, _url: str) -> None:
    result = await session.call("weather", {"city": "Kiel"})
    equal(result["structuredContent"], {"city": "Kiel", "temperature": 20, "unit": "celsius"})


async def receives_text_image_audio_and_resource_blocks(session: Session, _peer: Peer, _url: str) -> None:
    expected = {
        "test_simple_text": ["text"],
        "test_image_content": ["image"],
        "test_audio_content": ["audio"],
        "test_embedded_resource": ["resource"],
        "test_multiple_content_types": ["text", "image", "resource"],
    }
    for tool, kinds in expected.items():
        result = await session.call(tool, {})
        equal([block["type"] for block in result["content"]], kinds)


async def sees_all_progress_in_order_before_the_result(session: Session, _peer: Peer, _url: str) -> None:
    await stream(session, STREAMED)


async def streams_nothing_when_it_asks_for_no_progress(session: Session, _peer: Peer, _url: str) -> None:
    equal(await said(session, "stream", {"count": STREAMED}), "done")


async def gets_a_failed_tool_as_a_result(session: Session, _peer: Peer, _url: str) -> None:
    result = await session.call("test_error_handling", {})
    assert result["isError"]
    assert "intentionally returns an error" in texts(result)[0]


async def gets_wrong_arguments_as_a_failed_tool(session: Session, _peer: Peer, _url: str) -> None:
    assert (await session.call("add", {"a": "two", "b": 4}))["isError"]


async def gets_an_unknown_tool_as_error_32602(session: Session, _peer: Peer, _url: str) -> None:
    equal((await refused(session.call("no_such_tool", {}))).code, -32602)


async def has_arguments_mirrored_in_headers_accepted(session: Session, _peer: Peer, _url: str) -> None:
    await session.ask("list_tools")
    for value in ["plain", " blanks ", "Käse", "=?base64?eA==?=", ""]:
        equal(await said(session, "test_custom_header", {"value": value}), value)


async def calls_concurrently_without_mixing_answers(session: Session, _peer: Peer, _url: str) -> None:
    await together([lambda i=i: echo(session, f"call {i} {'.' * i * 100}") for i in range(CONCURRENT)])


async def streams_concurrently_without_mixing_progress(session: Session, _peer: Peer, _url: str) -> None:
    await together([lambda i=i: stream(session, i) for i in range(1, CONCURRENT + 1)])


async def waits_concurrently_not_in_turn(session: Session, _peer: Peer, _url: str) -> None:
    async def nap() -> None:
        equal(await said(session, "sleep", {"ms": 250}), "slept")

    began = time.monotonic()
    await together([nap] * CONCURRENT)
    took = time.monotonic() - began
    assert 0.25 <= took < 2.5, f"{CONCURRENT} sleeps of 250 ms took {took:.2f} s"


async def cancels_a_call_and_goes_on(session: Session, _peer: Peer, _url: str) -> None:
    began = time.monotonic()
    with anyio.move_on_after(0.2) as limit:
        await session.call("sleep", {"ms": 20_000})
    assert limit.cancelled_caught, "the call ended before it was cancelled"
    assert time.monotonic() - began < 2, "the cancelled call hung"
    await echo(session, "after the cancelled call")


async def reads_a_text_bytes_and_a_template(session: Session, _peer: Peer, _url: str) -> None:
    async def read(uri: str) -> Json:
        return (await session.ask("read_resource", uri=uri))["contents"][0]

    assert "content of the static text resource" in (await read("test://static-text"))["text"]
    equal((await read("test://static-binary"))["mimeType"], "image/png")
    equal(json.loads((await read("test://template/K%C3%A4se/data"))["text"])["id"], "Käse")


async def gets_an_unknown_resource_as_an_error(session: Session, peer: Peer, _url: str) -> None:
    error = await refused(session.ask("read_resource", uri="test://nowhere"))
    equal(error.code, -32602 if peer.modern else -32002)


async def gets_prompts(session: Session, _peer: Peer, _url: str) -> None:
    arguments = {"arg1": "ä", "arg2": "b"}
    two = await session.ask("get_prompt", name="test_prompt_with_arguments", arguments=arguments)
    equal(two["messages"][0]["content"]["text"], "Prompt with arguments: arg1='ä', arg2='b'")
    picture = await session.ask("get_prompt", name="test_prompt_with_image")
    equal(picture["messages"][0]["content"]["type"], "image")
    without = session.ask("get_prompt", name="test_prompt_with_arguments")
    equal((await refused(without)).code, -32602)


async def completes_an_argument(session: Session, _peer: Peer, _url: str) -> None:
    argument = {"name": "arg1", "value": "test"}
    result = await session.ask("complete", prompt="test_prompt_with_arguments", argument=argument)
    equal(result["completion"]["values"], ["testing", "test value"])


async def is_asked_by_a_form(session: Session, _peer: Peer, _url: str) -> None:
    ask = {"message": "Who are you?"}
    session.answer = accept({"username": "Ada", "email": "ada@example.com"})
    accepted = 'User response: action=accept, content={"username":"Ada","email":"ada@example.com"}'
    equal(await said(session, "test_elicitation", ask), accepted)
    session.answer = lambda _: {"action": "decline"}
    assert "action=decline" in await said(session, "test_elicitation", ask)


async def is_asked_with_defaults_and_choices(session: Session, _peer: Peer, _url: str) -> None:
    session.answer = accept({"name": "Ada", "age": 36, "score": 1.5})
    assert '"score":1.5' in await said(session, "test_elicitation_sep1034_defaults")
    session.answer = accept({"untitledSingle": "option1", "untitledMulti": ["option1", "option2"]})
    assert '"option2"' in await said(session, "test_elicitation_sep1330_enums")


async def is_sent_to_a_page(session: Session, _peer: Peer, _url: str) -> None:
    def visit(params: Json) -> Json:
        equal(params["url"], "https://example.com/sign-in")
        return {"action": "accept"}

    session.answer = visit
    assert "action=accept" in await said(session, "test_url_elicitation")


async def is_asked_two_things_in_turn(session: Session, _peer: Peer, _url: str) -> None:
    def tell(params: Json) -> Json:
        [asked] = params["requestedSchema"]["properties"]
        return {"action": "accept", "content": {asked: {"name": "Ada", "color": "blue"}[asked]}}

    session.answer = tell
    equal(await said(session, "test_input_required_result_multi_round"), "Ada likes blue")


async def is_asked_three_things_at_once(session: Session, _peer: Peer, _url: str) -> None:
    session.answer = accept({"name": "Ada"})
    text = await said(session, "test_input_required_result_multiple_inputs")
    equal(text.replace("file:///example/", "file:///example"), "Paris Ada. 1 roots: file:///example")


async def is_asked_by_a_prompt(session: Session, _peer: Peer, _url: str) -> None:
    session.answer = accept({"context": "tea"})
    result = await session.ask("get_prompt", name="test_input_required_result_prompt")
    equal(result["messages"][0]["content"]["text"], "Let us talk about tea.")


async def has_its_model_asked(session: Session, _peer: Peer, _url: str) -> None:
    equal(await said(session, "test_sampling", {"prompt": "Capital?"}), "LLM response: Paris")


async def has_its_folders_asked_for(session: Session, _peer: Peer, _url: str) -> None:
    assert "1 roots: file:///example" in await said(session, "test_input_required_result_list_roots")


async def is_not_asked_what_it_did_not_declare(_: Session, peer: Peer, url: str) -> None:
    async with peer.open(url, can=False) as unable:
        call = unable.call("test_elicitation", {"message": "Who?"})
        if peer.modern:
            error = await refused(call)
            equal(error.code, -32021)
            assert "elicitation" in error.data["requiredCapabilities"], error.data
        else:
            result = await call
            assert result["isError"] and "elicitation" in texts(result)[0], result


CHECKS: list[Check] = [
    speaks_the_expected_revision,
    lists_every_tool_once_the_plain_one_first,
    lists_resources_templates_and_prompts,
    echoes_what_it_sent,
    adds_two_numbers,
    gets_structured_content,
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
    reads_a_text_bytes_and_a_template,
    gets_an_unknown_resource_as_an_error,
    gets_prompts,
    completes_an_argument,
    is_asked_by_a_form,
    is_asked_with_defaults_and_choices,
    is_sent_to_a_page,
    is_asked_two_things_in_turn,
    is_asked_three_things_at_once,
    is_asked_by_a_prompt,
    has_its_model_asked,
    has_its_folders_asked_for,
    is_not_asked_what_it_did_not_declare,
]
