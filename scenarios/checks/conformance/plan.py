"""Which probe and which rule belong to each check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from scenarios.checks.conformance import (
    connections,
    datagrams,
    framing,
    functions,
    identification,
    robustness,
)
from scenarios.checks.conformance.judgement import Claims, Judgement
from simulators.modbus.probes import connections as ask_connections
from simulators.modbus.probes import datagrams as ask_datagrams
from simulators.modbus.probes import framing as ask_framing
from simulators.modbus.probes import functions as ask_functions
from simulators.modbus.probes import identification as ask_identification
from simulators.modbus.probes import robustness as ask_robustness
from simulators.modbus.wire import Observation, Prober

if TYPE_CHECKING:
    from collections.abc import Mapping

Probe = Callable[[Prober, Claims], Awaitable[Observation]]
Rule = Callable[[Observation, Claims], Judgement]

#: How long moving values are watched, in seconds.
WATCH_S: Final = 10.0


def _plain(probe: Callable[[Prober], Awaitable[Observation]]) -> Probe:
    return lambda prober, _claims: probe(prober)


async def _end_of_map(prober: Prober, claims: Claims) -> Observation:
    return await ask_functions.end_of_map(prober, claims.last_mapped)


async def _moving(prober: Prober, claims: Claims) -> Observation:
    return await ask_functions.moving(prober, claims.value_addresses, WATCH_S)


async def _not_used(prober: Prober, claims: Claims) -> Observation:
    return await ask_functions.not_used(prober, harmless=claims.is_generic)


async def _fuzz(prober: Prober, claims: Claims) -> Observation:
    return await ask_robustness.fuzz(prober, harmless=claims.is_generic)


async def _places(prober: Prober, claims: Claims) -> Observation:
    return await ask_connections.places(prober, claims.connections_max)


async def _burst(prober: Prober, claims: Claims) -> Observation:
    return await ask_connections.burst(prober, claims.connections_max)


async def _idle(prober: Prober, claims: Claims) -> Observation:
    return await ask_connections.idle(prober, claims.idle_s)


#: Probes by name; several checks may look at what one probe saw.
PROBES: Final[Mapping[str, Probe]] = {
    "connect": _plain(ask_connections.connect),
    "sequence": _plain(ask_connections.sequence),
    "pipelined": _plain(ask_connections.pipelined),
    "fragmented": _plain(ask_connections.fragmented),
    "idle": _idle,
    "places": _places,
    "burst": _burst,
    "masters": _plain(ask_connections.masters),
    "transactions": _plain(ask_framing.transaction_identifiers),
    "headers": _plain(ask_framing.headers),
    "foreign": _plain(ask_framing.foreign_protocol),
    "bad lengths": _plain(ask_framing.bad_lengths),
    "ill fitting": _plain(ask_framing.ill_fitting_lengths),
    "unit echo": _plain(ask_framing.unit_echo),
    "own units": _plain(ask_framing.own_units),
    "units": _plain(ask_framing.units),
    "quantities": _plain(ask_functions.quantities),
    "bad quantities": _plain(ask_functions.bad_quantities),
    "end of map": _end_of_map,
    "wrap": _plain(ask_functions.wrap),
    "precedence": _plain(ask_functions.precedence),
    "ill sized": _plain(ask_functions.ill_sized),
    "word order": _plain(ask_functions.word_order),
    "moving": _moving,
    "not used": _not_used,
    "other codes": _plain(ask_functions.other_codes),
    "code zero": _plain(ask_functions.code_zero),
    "response codes": _plain(ask_functions.response_codes),
    "exceptions": _plain(ask_functions.exceptions),
    "categories": _plain(ask_identification.categories),
    "unknown starts": _plain(ask_identification.unknown_starts),
    "later starts": _plain(ask_identification.later_starts),
    "individual": _plain(ask_identification.individual),
    "illegal codes": _plain(ask_identification.illegal_codes),
    "other types": _plain(ask_identification.other_types),
    "malformed datagrams": _plain(ask_datagrams.malformed),
    "interleaved": _plain(ask_datagrams.interleaved),
    "runt beside": _plain(ask_datagrams.runt_beside),
    "fuzz": _fuzz,
    "garbage": _plain(ask_robustness.garbage),
    "slow reader": _plain(ask_robustness.slow_reader),
}

#: Probe and rule of each check of the list.
# fmt: off
PLAN: Final[Mapping[str, tuple[str, Rule]]] = {
    "TCP-01":  ("connect",             connections.accepted),
    "TCP-02":  ("sequence",            connections.stays_open),
    "TCP-03":  ("pipelined",           connections.each_answered_once),
    "TCP-04":  ("fragmented",          connections.in_any_split),
    "TCP-05":  ("idle",                connections.half_closed),
    "TCP-06":  ("places",              connections.places_kept),
    "TCP-07":  ("burst",               connections.burst_bounded),
    "TCP-08":  ("idle",                connections.idle_closed),
    "TCP-09":  ("places",              connections.newest_refused),
    "TCP-10":  ("masters",             connections.response_times),
    "MBAP-01": ("transactions",        framing.transaction_echoed),
    "MBAP-02": ("headers",             framing.protocol_is_modbus),
    "MBAP-03": ("foreign",             framing.foreign_protocol_ignored),
    "MBAP-04": ("headers",             framing.length_counts),
    "MBAP-05": ("bad lengths",         framing.bad_length_ends),
    "MBAP-06": ("ill fitting",         framing.ill_fitting_refused),
    "MBAP-07": ("headers",             framing.big_endian),
    "UID-01":  ("unit echo",           framing.unit_echoed),
    "UID-02":  ("own units",           framing.device_answers),
    "UID-03":  ("units",               framing.units_differ),
    "UID-04":  ("units",               framing.unknown_unit),
    "UID-05":  ("own units",           framing.zero_is_no_broadcast),
    "FC3-01":  ("quantities",          functions.quantities_served),
    "FC3-02":  ("bad quantities",      functions.quantities_refused),
    "FC3-03":  ("end of map",          functions.end_of_map),
    "FC3-04":  ("wrap",                functions.no_wrap),
    "FC3-05":  ("precedence",          functions.quantity_first),
    "FC3-06":  ("ill sized",           functions.size_checked),
    "FC3-07":  ("word order",          functions.same_in_any_read),
    "FC3-08":  ("moving",              functions.never_torn),
    "FC-01":   ("not used",            functions.not_used_refused),
    "FC-02":   ("other codes",         functions.others_refused),
    "FC-03":   ("code zero",           functions.zero_refused),
    "FC-04":   ("response codes",      functions.responses_refused),
    "FC-05":   ("exceptions",          functions.exception_is_two_bytes),
    "FC-06":   ("other codes",         functions.serial_only_refused),
    "DID-01":  ("categories",          identification.basic),
    "DID-02":  ("categories",          identification.regular),
    "DID-03":  ("categories",          identification.level),
    "DID-04":  ("unknown starts",      identification.restarts_at_zero),
    "DID-05":  ("later starts",        identification.starts_at),
    "DID-06":  ("individual",          identification.known_object_refused),
    "DID-07":  ("individual",          identification.unknown_object_refused),
    "DID-08":  ("illegal codes",       identification.codes_refused),
    "DID-09":  ("categories",          identification.extended),
    "DID-10":  ("categories",          identification.segments_end),
    "DID-11":  ("categories",          identification.objects_fit),
    "DID-12":  ("other types",         identification.types_and_lengths),
    "UDP-01":  ("malformed datagrams", datagrams.malformed_dropped),
    "UDP-02":  ("interleaved",         datagrams.right_peer),
    "UDP-03":  ("runt beside",         datagrams.undisturbed),
    "ROB-01":  ("fuzz",                robustness.echoes_kept),
    "ROB-02":  ("garbage",             robustness.garbage_ends),
    "ROB-03":  ("slow reader",         robustness.bounded),
}
# fmt: on
