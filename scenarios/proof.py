"""That a scenario can fail: beside ``NAME.scn.yaml`` stands ``NAME.fail.yaml`` with the one change.

A scenario that nobody has seen fail proves nothing when it passes. The file beside it names one
change, to the file (its population, its settings, its steps) or to the gateway (a known-bad one of
`scenarios.defects`), and the cases that must fail with it.

```yaml
change: The gateway reads its meters every minute and not every ten seconds.
patch:
  - {at: world/gateway/config/METER_TIME, put: 60}
fails: [do, E1]
```

A path leads through keys; an item of a list is named by its number, from 0, or by its ``id``.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reports.verdict import Verdict
from scenarios.defects import catalogue
from scenarios.language.compile import compile_text
from scenarios.language.diagnostics import ScenarioError
from scenarios.run import SUFFIX, Selected, run_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scenarios.backends.base import Backend
    from scenarios.language.ir import Scenario

#: How the file beside a scenario is called.
FAIL_SUFFIX: Final = ".fail.yaml"
#: Wall time that a process with a known-bad gateway may take.
PROCESS_S_MAX: Final = 600.0


class ProofError(Exception):
    """A file that shows nothing: ``file: what was expected, what came``."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Edit(_Model):
    """One edit: what stands at a path is replaced (`put`), or taken away (`remove`).

    `put` at a key that is not there adds it; ``at: meters/-`` appends to a list.
    """

    at: Annotated[str, Field(min_length=1)]
    put: Any = None
    remove: bool = False

    @model_validator(mode="after")
    def _one(self) -> Edit:
        if ("put" in self.model_fields_set) == self.remove:
            raise ValueError("want either 'put' or 'remove: true'")
        return self


class Counterexample(_Model):
    """One change, and the cases of the scenario that FAIL with it."""

    change: Annotated[str, Field(min_length=10, description="What is changed, as a sentence.")]
    patch: tuple[Edit, ...] = ()
    defect: str | None = Field(default=None, description="A known-bad gateway by its id.")
    fails: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_change(self) -> Counterexample:
        if bool(self.patch) == (self.defect is not None):
            raise ValueError("want either 'patch' or 'defect'")
        return self


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of one scenario: PASS where the change made it FAIL as it says."""

    scenario: str
    verdict: Verdict
    reason: str = ""


def beside(path: Path) -> Path:
    """Return where the counterexample of a scenario file stands."""
    return path.with_name(path.name.removesuffix(SUFFIX) + FAIL_SUFFIX)


def read(path: Path) -> Counterexample:
    """Read a file; raises ProofError with every finding."""
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ProofError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    try:
        found = Counterexample.model_validate(document)
    except ValidationError as error:
        findings = [
            f"{path}: {'.'.join(str(step) for step in one['loc']) or 'document'}: {one['msg']}"
            for one in error.errors(include_url=False)
        ]
        raise ProofError("\n".join(findings)) from error
    if found.defect is not None and found.defect not in catalogue.load():
        raise ProofError(f"{path}: no known-bad gateway is called {found.defect!r}")
    return found


# --- Patching ---------------------------------------------------------------------------------


def patched(text: str, edits: Sequence[Edit], name: str) -> str:
    """Return the text of a scenario with its edits; raises ProofError for a path that is none."""
    yaml = YAML(typ="rt")
    yaml.width = 4096
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise ProofError(f"{name}: the scenario beside it is not YAML") from error
    for edit in edits:
        _apply(document, edit, name)
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _apply(document: Any, edit: Edit, name: str) -> None:
    *way, last = edit.at.split("/")
    node = document
    for step in way:
        key = _key(node, step)
        if key is None:
            raise ProofError(f"{name}: at {edit.at!r}: nothing at {step!r}")
        node = node[key]
    if last == "-" and isinstance(node, list) and not edit.remove:
        node.append(edit.put)
        return
    key = _key(node, last)
    if key is None and isinstance(node, dict) and not edit.remove:
        key = last
    if key is None:
        raise ProofError(f"{name}: at {edit.at!r}: nothing at {last!r}")
    if edit.remove:
        del node[key]
    else:
        node[key] = edit.put


def _key(node: Any, step: str) -> str | int | None:
    """Return the key of a mapping or the index of a list that `step` means."""
    if isinstance(node, dict):
        return next((key for key in node if str(key) == step), None)
    if not isinstance(node, list):
        return None
    if step.isdecimal():
        return int(step) if int(step) < len(node) else None
    return next(
        (n for n, item in enumerate(node) if isinstance(item, dict) and item.get("id") == step),
        None,
    )


# --- Proving ----------------------------------------------------------------------------------


def prove(selected: Sequence[Selected], backend: Backend) -> list[Proof]:
    """Make each change and see that the scenario fails; those with one defect share a process."""
    proofs: dict[str, Proof] = {}
    by_defect: dict[str, list[tuple[Selected, Counterexample]]] = {}
    for one in selected:
        file = beside(one.path)
        if not file.is_file():
            reason = f"nothing shows that it can fail: there is no {file.name}"
            proofs[one.name] = Proof(one.name, Verdict.INCONCLUSIVE, reason)
            continue
        try:
            example = read(file)
        except ProofError as error:
            proofs[one.name] = Proof(one.name, Verdict.ERROR, str(error))
            continue
        if example.defect is not None:
            by_defect.setdefault(example.defect, []).append((one, example))
        else:
            proofs[one.name] = _by_patch(one, example, backend)
    for defect, group in by_defect.items():
        proofs |= {proof.scenario: proof for proof in _by_defect(defect, group, backend)}
    return [proofs[one.name] for one in selected]


def broken(selected: Selected, example: Counterexample) -> Scenario:
    """Return the scenario with its patch; raises ProofError or ScenarioError."""
    text = patched(selected.path.read_text("utf-8"), example.patch, beside(selected.path).name)
    return compile_text(text, selected.name, folder=selected.path.parent).require()


def _by_patch(one: Selected, example: Counterexample, backend: Backend) -> Proof:
    try:
        result = run_scenario(broken(one, example), backend)
    except (ProofError, ScenarioError) as error:
        return Proof(one.name, Verdict.ERROR, str(error))
    failed = {case.id for case in result.judged.cases if case.verdict is Verdict.FAIL}
    return _judged(one.name, example, result.verdict.value, failed)


def _by_defect(
    defect: str, group: Sequence[tuple[Selected, Counterexample]], backend: Backend
) -> list[Proof]:
    """Run scenarios in a process whose gateway has the defect."""
    files = [str(one.path) for one, _ in group]
    command = [sys.executable, "-m", "scenarios.defects", defect, "scenario", "run", *files]
    done = subprocess.run(
        [*command, "--json", "--backend", backend.name],
        capture_output=True,
        text=True,
        timeout=PROCESS_S_MAX,
        check=False,
    )
    try:
        results = json.loads(done.stdout)["scenarios"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return [Proof(one.name, Verdict.ERROR, f"{defect}: {reason}") for one, _ in group]
    proofs = []
    for (one, example), result in zip(group, results, strict=True):
        failed = {case["id"] for case in result["cases"] if case["verdict"] == "FAIL"}
        proofs.append(_judged(one.name, example, result["verdict"], failed))
    return proofs


def _judged(name: str, example: Counterexample, verdict: str, failed: set[str]) -> Proof:
    if verdict == Verdict.FAIL.value and failed.issuperset(example.fails):
        return Proof(name, Verdict.PASS)
    seen = f"came out {verdict}, with FAIL in {', '.join(sorted(failed)) or 'no case'}"
    wanted = ", ".join(example.fails)
    return Proof(name, Verdict.FAIL, f"{example.change} It should fail {wanted}, and {seen}")
