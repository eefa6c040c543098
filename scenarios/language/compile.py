"""From a scenario file to its intermediate form, with every complaint about it at once.

The order of the work: YAML with places, the models of `document`, then what only the whole file
can tell: ids that exist, properties that make sense, waits that can end, registers that somebody
reads. A file with mistakes gives no scenario, and all its mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scenarios import requirements
from scenarios.language import applicability, document, validation, vocabulary
from scenarios.language.deeds import DeedLowering
from scenarios.language.diagnostics import (
    Diagnostic,
    Place,
    ScenarioError,
    Severity,
    did_you_mean,
    errors,
    in_order,
)
from scenarios.language.durations import show
from scenarios.language.ir import (
    Check,
    Client,
    ExpectedRegisters,
    LayoutCheck,
    Need,
    Property,
    Registers,
    RegistersCheck,
    Scenario,
    Section,
    World,
)
from scenarios.language.lowering import StepLowering
from scenarios.language.properties import PropertySyntaxError, looks_ahead, parse, paths_of
from scenarios.language.resolve import Names, matching, resolve
from scenarios.language.source import Source
from scenarios.language.triggers import TriggerLowering
from scenarios.language.vocabulary import Capability
from simulators import population as populations
from simulators.document import Complaint, PopulationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scenarios.language.fields import Strict
    from scenarios.language.ir import TriggeredFault
    from scenarios.language.properties import Formula
    from scenarios.language.source import Location
    from simulators.population import Population

#: Registers end here (manual 6).
_ADDRESS_MAX: Final = 0xFFFF

#: A word that a literal check leaves open.
ANY_WORD: Final = "...."

_WORD: Final = re.compile(r"[0-9A-Fa-f]{4}|\.{4}")
_LINKS: Final = re.compile(r"; (did you mean '[^']*'\?)")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of a file: a scenario, or the reasons why there is none; warnings either way."""

    file: str
    scenario: Scenario | None
    diagnostics: tuple[Diagnostic, ...]

    def require(self) -> Scenario:
        """Return the scenario; raises ScenarioError with the diagnostics where there is none."""
        if self.scenario is None:
            raise ScenarioError(self.diagnostics)
        return self.scenario


def compile_path(path: Path, *, name: str | None = None) -> Compiled:
    """Compile a file; `name` is what messages call it, by default its path."""
    try:
        source = Source.read(path, name=name)
    except ScenarioError as error:
        return Compiled(name or str(path), None, error.diagnostics)
    return _Compiler(source, path.parent).run()


def compile_text(
    text: str, name: str = "scenario.scn.yaml", *, folder: Path | None = None
) -> Compiled:
    """Compile the text of a file that has not been written, or not been saved."""
    try:
        source = Source.parse(name, text)
    except ScenarioError as error:
        return Compiled(name, None, error.diagnostics)
    return _Compiler(source, folder).run()


def gaps(scenario: Scenario, backend: str, capabilities: Iterable[Capability]) -> list[Diagnostic]:
    """Return a warning for each line that needs what a backend does not have (SCN101)."""
    able = set(capabilities)
    only = {judged.id: judged.only for judged in scenario.judged}
    found = []
    for need in scenario.needs:
        limited = only.get(need.owner)
        if need.capability in able or (limited is not None and backend not in limited):
            continue
        case = f"'{need.owner}'" if need.owner else "the case"
        message = f"{need.what} not available on backend '{backend}'; {case} will be NOT_RUN there"
        text = f"needs {need.capability.value}"
        found.append(Diagnostic("SCN101", message, need.place, "", text, Severity.WARNING))
    return found


class _Compiler:
    """One compilation; `found` collects the complaints."""

    def __init__(self, source: Source, folder: Path | None) -> None:
        self._source = source
        self._folder = folder
        self._needs: list[Need] = []
        self._ids = set[str]()
        self.found: list[Diagnostic] = []

    def run(self) -> Compiled:
        scenario = self._scenario()
        diagnostics = tuple(in_order(self.found))
        if errors(diagnostics):
            scenario = None
        return Compiled(self._source.name, scenario, diagnostics)

    def _complain(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self.found.append(self._source.complain(code, message, place, hint))

    # --- The whole ----------------------------------------------------------------------------

    def _scenario(self) -> Scenario | None:
        if not isinstance(self._source.tree, Mapping):
            self._complain("SCN014", "want a mapping (key: value)", self._source.value([]))
            return None
        head = validation.validate(document.Document, self._source, [], self.found)
        limit = head.limits.time if head is not None else None
        world = self._world(head)
        names = self._names(world)
        lowering = StepLowering(self._source, names, limit, self.found)
        do = lowering.steps(["do"], self._source.key(["do"]))
        faults = TriggerLowering(self._source, lowering).faults()
        self._fault_ids(faults)
        self._needs += lowering.needs
        judged = {name: self._judged(name, names) for name in ("assume", "expect", "check")}
        pics = self._pics(head.pics if head is not None else None)
        self._requirements(head.verifies if head is not None else [], ["verifies"])
        self._somebody_reads([*judged["assume"], *judged["expect"]], lowering)
        if head is None or world is None:
            return None
        return Scenario(
            name=head.scenario,
            title=head.title,
            file=self._source.name,
            verifies=tuple(head.verifies),
            pics=pics,
            pics_text=head.pics or "",
            seed=head.seeds.default,
            sweep=_sweep(head.seeds.sweep),
            limit_ns=head.limits.time,
            world=world,
            faults=tuple(faults),
            do=do,
            assume=tuple(item for item in judged["assume"] if isinstance(item, Property)),
            expect=tuple(item for item in judged["expect"] if isinstance(item, Property)),
            check=tuple(judged["check"]),
            needs=tuple(self._needs),
        )

    def _pics(self, text: str | None) -> Formula | None:
        """Read the condition on the device."""
        if text is None:
            return None
        try:
            formula = parse(text)
        except PropertySyntaxError as error:
            place = self._source.inside(["pics"], error.offset, error.length)
            self._complain("SCN030", str(error), place, error.hint)
            return None
        for finding in applicability.findings(formula):
            place = self._source.inside(["pics"], finding.span.offset, finding.span.length)
            self._complain(finding.code, finding.message, place, finding.hint)
        return formula

    def _names(self, world: World | None) -> Names:
        """Return what the file may refer to, as far as its world could be read."""
        if world is None:
            return Names((), frozenset(), known=False)
        clients = frozenset(client.id for client in world.clients)
        return Names(tuple(world.population.ids), clients)

    # --- The world ----------------------------------------------------------------------------

    def _world(self, head: document.Document | None) -> World | None:
        tree = self._source.tree.get("world")
        if tree is None and head is not None:
            tree = {}  # "world:" with nothing behind it
        if not isinstance(tree, Mapping):
            return None
        population = self._population(tree)
        gateway = tree.get("gateway")
        config = gateway.get("config") if isinstance(gateway, Mapping) else None
        config = config if isinstance(config, Mapping) else {}
        deeds = DeedLowering(self._source, Names((), frozenset()), self.found)
        texts = deeds.config(config, ["world", "gateway", "config"])
        if head is None or population is None:
            return None
        world = head.world
        self._clients(world.clients)
        if world.clock is not None:
            place = self._source.key(["world", "clock"])
            self._needs.append(Need(Capability.CLOCK, "'clock'", place))
        return World(
            population=population,
            baudrate=world.bus.baud,
            speed=world.bus.speed,
            config=texts,
            files=dict(world.gateway.files),
            serial_number=world.gateway.serial_number,
            unit_loads=world.gateway.unit_loads,
            clients=tuple(_client(client) for client in world.clients),
            clock=world.clock,
        )

    def _population(self, tree: Mapping[str, Any]) -> Population | None:
        if ("meters" in tree) == ("population" in tree):
            place = self._source.key(["world"])
            self._complain("SCN050", "want either 'meters' or 'population' in the world", place)
            return None
        try:
            if "meters" in tree:
                return populations.parse(
                    tree["meters"], source=self._source.name, folder=self._folder
                )
            return self._named_population(str(tree["population"]))
        except PopulationError as error:
            for complaint in error.complaints:
                self._population_complaint(complaint)
            return None

    def _named_population(self, name: str) -> Population:
        beside = (self._folder or Path()) / name
        return populations.load(beside if beside.is_file() else name)

    def _population_complaint(self, complaint: Complaint) -> None:
        """Take a complaint about the population into our own form."""
        link = _LINKS.search(complaint.message)
        hint = link[1] if link else ""
        message = _LINKS.sub("", complaint.message)
        code = "SCN011" if message.startswith("unknown key") else "SCN050"
        if complaint.source != self._source.name:
            place = self._source.value(["world", "population"])
            self._complain(code, str(complaint), place)
            return
        rest = self._source.line(complaint.line)[complaint.column - 1 :]
        word = re.match(r"[^\s,:}\]]+", rest)
        length = len(word[0]) if word else 1
        place = Place(self._source.name, complaint.line, complaint.column, length)
        self._complain(code, message, place, hint)

    def _clients(self, clients: list[document.ClientModel]) -> None:
        roots = {signal.path.split(".")[0].split("(")[0] for signal in vocabulary.SIGNALS}
        taken = roots | {"CLIENT"}
        for number, client in enumerate(clients):
            place = self._source.value(["world", "clients", number, "id"])
            if client.id in taken:
                self._complain("SCN023", f"the name '{client.id}' is taken", place)
            taken.add(client.id)
            here: list[str | int] = ["world", "clients", number]
            if (client.every is None) == (client.rate is None):
                place = self._source.value(here)
                self._complain("SCN012", "want either 'every' or 'rate'", place)
            elif _period(client) * client.connections < _CLIENT_PERIOD_NS_MIN:
                place = self._source.value([*here, "rate" if client.every is None else "every"])
                message = f"want {show(_CLIENT_PERIOD_NS_MIN)} or more"
                message += " for each connection" if client.connections > 1 else ""
                self._complain("SCN015", message, place)

    # --- What is judged -----------------------------------------------------------------------

    def _judged(self, section: Section | str, names: Names) -> list[Check]:
        items = self._source.tree.get(section)
        if not isinstance(items, list):
            return []
        found = []
        for number, item in enumerate(items):
            location: list[str | int] = [section, number]
            if not isinstance(item, Mapping):
                place = self._source.value(location)
                self._complain("SCN014", "want a mapping such as {id: C1, that: …}", place)
                continue
            model = document.judged_model(item) if section == "check" else document.PropertyModel
            content = validation.validate(model, self._source, location, self.found)
            if isinstance(content, document.Judged):
                self._unique(content.id, location)
                self._requirements(content.req, [*location, "req"])
            judged = self._judged_item(content, section, location, names)
            if judged is not None:
                found.append(judged)
        return found

    def _judged_item(
        self, content: Strict | None, section: str, location: Location, names: Names
    ) -> Check | None:
        match content:
            case document.PropertyModel():
                return self._property(content, section, location, names)
            case document.LayoutModel():
                return self._layout(content, location, names)
            case document.RegistersModel():
                return self._registers(content, location)
            case _:
                return None

    def _property(
        self, content: document.PropertyModel, section: Any, location: Location, names: Names
    ) -> Property | None:
        where = [*location, "that"]
        try:
            formula = parse(content.that)
        except PropertySyntaxError as error:
            place = self._source.inside(where, error.offset, error.length)
            self._complain("SCN030", str(error), place, error.hint)
            return None
        instances, findings = resolve(formula, names)
        for finding in findings:
            place = self._source.inside(where, finding.span.offset, finding.span.length)
            self._complain(finding.code, finding.message, place, finding.hint)
        ahead = looks_ahead(formula)
        if section == "expect" and not ahead:
            message = "an expectation is watched all along: say always(…), never(…), eventually(…)"
            self._complain("SCN036", message, self._source.value(where))
        if section == "check" and ahead:
            message = "a check looks at the end of the run: nothing lies ahead of it"
            self._complain("SCN036", message, self._source.value(where), "move it to 'expect'")
        for path in paths_of(formula):
            row = vocabulary.find(path.name, names.clients)
            if row is not None:
                place = self._source.inside(where, path.span.offset, path.span.length)
                self._needs.append(Need(row.needs, f"'{row.path}'", place, content.id))
        return Property(
            id=content.id,
            section=section,
            text=content.that,
            instances=tuple(instances),
            requirements=tuple(content.req),
            why=content.why,
            only=None if content.only is None else tuple(content.only),
            tolerance_ns={str(name): ns for name, ns in content.tolerance.items()},
            place=self._source.value(where),
        )

    def _layout(
        self, content: document.LayoutModel, location: Location, names: Names
    ) -> LayoutCheck:
        meters = matching(content.meters, names.meters)
        if not meters and names.known:
            place = self._source.value([*location, "for"])
            hint = did_you_mean(content.meters, names.meters)
            self._complain("SCN025", f"unknown meter '{content.meters}'", place, hint)
        place = self._source.key([*location, "registers"])
        self._needs.append(Need(Capability.MODBUS, "'registers'", place, content.id))
        self._needs.append(Need(Capability.BUS_OBSERVATIONS, "'standard'", place, content.id))
        return LayoutCheck(
            id=content.id,
            meters=tuple(meters),
            requirements=tuple(content.req),
            why=content.why,
            only=None if content.only is None else tuple(content.only),
            place=place,
        )

    def _registers(self, content: document.RegistersModel, location: Location) -> RegistersCheck:
        runs = []
        for start, text in content.registers.items():
            where = [*location, "registers", start]
            place = self._source.value(where)
            words = self._words(text, where)
            if start < 0 or start + len(words) - 1 > _ADDRESS_MAX:
                message = f"want addresses from 0 to {_ADDRESS_MAX}"
                self._complain("SCN015", message, self._source.key(where))
            runs.append(ExpectedRegisters(start, words, place))
        place = self._source.key([*location, "registers"])
        self._needs.append(Need(Capability.MODBUS, "'registers'", place, content.id))
        return RegistersCheck(
            id=content.id,
            runs=tuple(runs),
            requirements=tuple(content.req),
            why=content.why,
            only=None if content.only is None else tuple(content.only),
            place=place,
        )

    def _words(self, text: str, where: Location) -> tuple[int | None, ...]:
        """Read words such as ``0001 2883 ....``."""
        words: list[int | None] = []
        for match in re.finditer(r"\S+", text):
            word = match[0]
            if not _WORD.fullmatch(word):
                place = self._source.inside(where, match.start(), len(word))
                message = "want words of 4 hexadecimal digits, or '....' for any word"
                self._complain("SCN016", message, place)
                continue
            words.append(None if word == ANY_WORD else int(word, 16))
        if not words:
            self._complain("SCN016", "want at least one word", self._source.value(where))
        return tuple(words)

    # --- Over the whole file ------------------------------------------------------------------

    def _requirements(self, ids: Sequence[str], location: Location) -> None:
        """Refuse ids that the catalogue does not have: a typo would look like a gap in coverage."""
        catalogue = requirements.load()
        listed = not isinstance(self._source.at(location), str)
        for number, id_ in enumerate(ids):
            if id_ not in catalogue:
                place = self._source.value([*location, number] if listed else location)
                hint = did_you_mean(id_, catalogue)
                self._complain("SCN026", f"unknown requirement '{id_}'", place, hint)

    def _unique(self, id_: str, location: Location) -> None:
        if id_ in self._ids:
            place = self._source.value([*location, "id"])
            self._complain("SCN023", f"the id '{id_}' is used twice", place)
        self._ids.add(id_)

    def _fault_ids(self, faults: list[TriggeredFault]) -> None:
        for fault in faults:
            if fault.id in self._ids:
                self._complain("SCN023", f"the id '{fault.id}' is used twice", fault.place)
            self._ids.add(fault.id)

    def _somebody_reads(self, judged: list[Check], lowering: StepLowering) -> None:
        """Refuse to watch registers that nothing reads before the end of the run."""
        if lowering.reads_registers:
            return
        watching = {item.id for item in judged}
        in_steps = set(lowering.watched_registers)
        for need in self._needs:
            if need.capability is not Capability.MODBUS:
                continue
            if need.owner not in watching and (need.owner or need not in in_steps):
                continue
            message = "nothing in this file reads the registers before the end of the run"
            self._complain("SCN038", message, need.place, "start a client, or poll")


#: Reads closer together than this on one connection are a flood that no client makes.
_CLIENT_PERIOD_NS_MIN: Final = 10_000_000


def _period(content: document.ClientModel) -> int:
    return content.every or content.rate or 0


def _client(content: document.ClientModel) -> Client:
    read = content.read
    registers = None if read is None else Registers(read.start, read.count, read.unit)
    return Client(content.id, _period(content), registers, content.connections)


def _sweep(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, last = text.split("..")
    return int(first), int(last)
