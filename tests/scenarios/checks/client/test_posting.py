"""Decoded values by HTTP: judged as they come, and again in the record."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from reports.verdict import Verdict
from scenarios.check_cli import app
from scenarios.checks.client import decoded, run
from scenarios.checks.client.posting import Posted
from simulators.http_server import HttpError, Request
from simulators.modbus.watch.image import truths
from tests.scenarios.checks.client.watching import Raw, case

if TYPE_CHECKING:
    from reports.record import RunRecord

PATIENCE_S = 30


def post(address: tuple[str, int], values: object) -> Any:
    """Post values as any client would; gives the document of the answer."""
    request = urllib.request.Request(
        f"http://{address[0]}:{address[1]}/values",
        data=json.dumps(values).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def watched(values: list[object]) -> tuple[RunRecord, list[Any]]:
    """Watch a client that asks once and posts what it is told to."""

    async def main() -> tuple[RunRecord, list[Any]]:
        stop, http = asyncio.Event(), asyncio.Queue[tuple[str, int]]()
        answers: list[Any] = []

        async def converse(address: tuple[str, int]) -> None:
            client = await Raw.connect(*address)
            await client.ask("03 0000 0046")
            client.close()
            where = http.get_nowait()
            answers.extend([await asyncio.to_thread(post, where, v) for v in values])
            stop.set()

        tasks: list[asyncio.Task[None]] = []
        record = await run.watch(
            run.Settings("127.0.0.1", 0, PATIENCE_S, values_address=("127.0.0.1", 0)),
            tool_version="test",
            listening=lambda address: tasks.append(asyncio.create_task(converse(address))),
            posting=http.put_nowait,
            stop=stop,
        )
        await asyncio.gather(*tasks)
        return record, answers

    return asyncio.run(main())


def test_values_are_judged_as_they_come() -> None:
    """A right value has no finding, a wrong one has its name, at once and in the record."""
    truth = next(t for t in truths(0) if t.register == 40)
    right = {"register": 40, "value": truth.number}
    wrong = {"register": 40, "value": float(truth.integer)}
    record, answers = watched([[right], [right, wrong]])
    assert answers[0] == {"values": 1, "findings": []}
    assert answers[1]["values"] == 2
    (finding,) = answers[1]["findings"]
    assert finding.startswith("value at 40: integer taken without its scale ")
    assert case(record, "CLT-18").reason == finding
    assert record.verdict is Verdict.FAIL


def test_right_values_pass_and_none_say_nothing() -> None:
    """Nobody who posted nothing has decoded rightly: INCONCLUSIVE."""
    truth = next(t for t in truths(0) if t.register == 40)
    record, _ = watched([[{"register": 40, "value": truth.number}]])
    assert case(record, "CLT-18").verdict is Verdict.PASS
    record, _ = watched([])
    assert case(record, "CLT-18").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/values", None, 400, "the body: expected a list"),
        ("POST", "/values", [{"register": 21, "value": 1}], 400, "the body: value 1: expected a"),
        ("POST", "/values", [{"register": 20, "value": 10**400}], 400, "a number that a double"),
        ("GET", "/values", None, 405, "POST only, got GET"),
        ("PUT", "/", None, 405, "GET only, got PUT"),
        ("GET", "/elsewhere", None, 404, "nothing at '/elsewhere'"),
    ],
)
def test_what_is_not_taken(method: str, path: str, body: Any, status: int, message: str) -> None:
    """A request with a mistake is answered with what was expected, and counts for nothing."""
    posted = Posted(lambda: 0)
    with pytest.raises(HttpError, match=re.escape(message)) as raised:
        posted.answer(Request(method, path, body))
    assert raised.value.status == status
    assert posted.answer(Request("GET", "/", None)) == {
        "registers": [20, 30, 40, 60],
        "values": 0,
        "findings": [],
    }


def test_a_watch_takes_so_many_values_and_no_more() -> None:
    """Somebody who posts without end does not fill the memory."""
    posted = Posted(lambda: 0)
    many = [{"register": 20, "value": truths(0)[0].number}] * decoded.VALUES_MAX
    posted.answer(Request("POST", "/values", many))
    with pytest.raises(HttpError, match="at most"):
        posted.answer(Request("POST", "/values", many[:1]))


def test_the_command_says_where_to_post() -> None:
    """``--values http://…`` from outside: the address is printed, a value is taken."""
    words = ["check", "client", "--listen", "127.0.0.1:0", "--seconds", "60"]
    command = [sys.executable, "-P", "-c", "from scenarios.cli import main; main()", *words]
    with subprocess.Popen(
        [*command, "--values", "http://127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            found = re.match(r"post decoded values to http://127\.0\.0\.1:(\d+)/values", line)
            assert found is not None, line
            answer = post(("127.0.0.1", int(found.group(1))), [{"register": 20, "value": 0.5}])
            assert "never sent" in answer["findings"][0]
        finally:
            child.kill()


def test_an_address_that_is_none() -> None:
    """Wrong usage says what was expected."""
    arguments = ["client", "--listen", "127.0.0.1:0", "--values", "http://host"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "expected HOST:PORT, got 'host'" in done.output
