"""The run record as a folder of Allure results, for teams whose reports live there.

Allure has passed, failed, broken, skipped and unknown; each verdict takes the nearest one and is
said in full as the label ``verdict``, for which ``categories.json`` has a group. Names and ids
are made from the record, so the same record gives the same files; nothing of them calls a network.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from reports.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.record import Case, RunRecord

#: Names of results are made in this namespace, so that a run repeated gives the same ones.
_NAMESPACE: Final = uuid.UUID("6d657465-7262-656e-6368-616c6c757265")

_STATUS: Final = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.ERROR: "broken",
    Verdict.INCONCLUSIVE: "broken",
    Verdict.NOT_RUN: "skipped",
    Verdict.NOT_APPLICABLE: "skipped",
}
CATEGORIES: Final = [
    {"name": "The device is wrong (FAIL)", "matchedStatuses": ["failed"]},
    {
        "name": "Nothing was proved (INCONCLUSIVE)",
        "matchedStatuses": ["broken"],
        "messageRegex": "INCONCLUSIVE.*",
    },
    {
        "name": "The bench broke (ERROR)",
        "matchedStatuses": ["broken"],
        "messageRegex": "ERROR.*",
    },
    {"name": "Could not be run (NOT_RUN)", "matchedStatuses": ["skipped"],
     "messageRegex": "NOT_RUN.*"},
    {"name": "Does not apply", "matchedStatuses": ["skipped"],
     "messageRegex": "NOT_APPLICABLE.*"},
]  # fmt: skip


def files(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every file of the folder."""
    for case in record.cases:
        name = str(uuid.uuid5(_NAMESPACE, case.id))
        yield f"{name}-result.json", _text(_result(record, case, name))
    yield "categories.json", _text(CATEGORIES)
    yield "environment.properties", _environment(record)


def write(record: RunRecord, folder: Path) -> int:
    """Write the folder, made when missing; returns how many results it holds. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files(record):
        (folder / name).write_text(text, encoding="utf-8")
    return len(record.cases)


def _result(record: RunRecord, case: Case, name: str) -> dict[str, Any]:
    suite, _, short = case.id.rpartition("/")
    labels = [
        ("verdict", case.verdict.value.lower()),
        ("suite", suite or "meterbench"),
        ("framework", "meterbench"),
        *(("requirement", id_) for id_ in case.requirements),
        *(("tag", id_) for id_ in case.requirements),
    ]
    result: dict[str, Any] = {
        "uuid": name,
        "historyId": str(uuid.uuid5(_NAMESPACE, f"history/{case.id}")),
        "fullName": case.id,
        "name": f"{short}: {case.title}",
        "status": _STATUS[case.verdict],
        "stage": "finished",
        "labels": [{"name": key, "value": value} for key, value in labels],
        "parameters": [{"name": "seed", "value": record.run.seed, "excluded": True}],
        "steps": [_step(one.where, one.content, one.note) for one in case.evidence],
        "start": 0,
        "stop": 0,
    }
    if case.reason:
        first, _, _ = case.reason.partition("\n")
        message = f"{case.verdict.value}: {first}"
        result["statusDetails"] = {"message": message, "trace": case.reason}
    return result


def _step(where: str, content: str, note: str) -> dict[str, Any]:
    name = f"{where}: {content}" + (f" ({note})" if note else "")
    return {"name": name, "status": "passed", "stage": "finished", "start": 0, "stop": 0}


def _environment(record: RunRecord) -> str:
    run = record.run
    rows = {
        "verdict": record.verdict.value,
        "backend": run.backend,
        "seed": run.seed,
        "meterbench": run.tool_version,
        **({"commit": run.commit} if run.commit else {}),
        **record.statement,
    }
    return "".join(f"{key.replace(' ', '_')}={value}\n" for key, value in rows.items())


def _text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
