"""The tasks extension for the current major of the official Python client, which has the room for
extensions and not the calls of this one: what becomes a task is followed to its end."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import anyio
import mcp_types as types
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError

from session import Json


class Created(types.Result):
    result_type: Literal["task"] = "task"
    task_id: str
    poll_interval_ms: int


class State(types.Result):
    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    poll_interval_ms: int
    result: types.CallToolResult | None = None
    error: types.ErrorData | None = None
    input_requests: dict[str, Json] | None = None


class GetParams(types.RequestParams):
    task_id: str


class Get(types.Request[GetParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class UpdateParams(types.RequestParams):
    task_id: str
    input_responses: dict[str, Json]


class Update(types.Request[UpdateParams, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


class Tasks(ClientExtension):
    """Declares tasks, and asks `answer` for what a task asks."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, answer: Callable[[Json], Json]) -> None:
        self.answer = answer

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Created, resolve=self.follow)]

    async def follow(self, created: Created, context: ClaimContext) -> types.CallToolResult:
        session, task_id = context.session, created.task_id
        answered: set[str] = set()
        while True:
            state = await session.send_request(Get(params=GetParams(task_id=task_id)), State)
            if state.error is not None:
                raise MCPError(state.error.code, state.error.message, state.error.data)
            if state.status == "completed":
                assert state.result is not None, "a completed task without its result"
                return state.result
            assert state.status in ("working", "input_required"), state.status
            # One at a time: a task goes on asking for the others.
            for key, request in (state.input_requests or {}).items():
                if key not in answered:
                    answered.add(key)
                    answers = {key: self.answer(request["params"])}
                    params = UpdateParams(task_id=task_id, input_responses=answers)
                    await session.send_request(Update(params=params), types.EmptyResult)
                    break
            else:
                await anyio.sleep(state.poll_interval_ms / 1000)
