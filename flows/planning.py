"""A run of a study before it starts: its inputs, its identity, and what its items are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from flows.study import Chain, Link, Stage, Study, load
from tasks.records import (
    FrozenConfig,
    InputError,
    Inputs,
    Item,
    Origin,
    Plan,
    Run,
    RunIdentity,
    Store,
    Stored,
    Wave,
    canonical_json,
    code_digest,
    code_version,
    made_from,
)
from tasks.records.layout import SCHEMA_VERSION
from tasks.records.parts import encode_item
from tasks.records.stored import PLACES

__all__ = ["PlannedRun", "chain_links", "check_links", "continued_run", "open_run", "plan_run"]

_LAYOUT = ("tasks.records.rows", "tasks.records.parts")
"""Modules that make tables of the rows of any call."""


@dataclass(frozen=True)
class PlannedRun:
    """A study with a config whose inputs are loaded and validated."""

    study: Study
    config: FrozenConfig
    inputs: Inputs

    @cached_property
    def schemas(self) -> dict[str, pa.Schema]:
        """Schema of every science table."""
        return self.study.schemas(self.settings)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The fields of the config that results depend on, of inputs the names only."""
        unnamed = {*self.study.unnamed, "seed"}
        return self.config.model_dump(exclude=unnamed) | dict(self.inputs.settings)

    @property
    def seed(self) -> int:
        """Root of all random streams."""
        return getattr(self.config, "seed", 0)

    @cached_property
    def identity(self) -> RunIdentity:
        """What determines the science of the run, and names it."""
        return RunIdentity(
            flow=self.study.name,
            config=canonical_json(self.settings),
            inputs=tuple(self.inputs.contents.items()),
            code_version=code_version(*_code_of(self.study, self.study.stages)),
            seed=self.seed,
        )

    @property
    def plan(self) -> Plan:
        """What the study's functions get."""
        return Plan(self.config, self.inputs.value)

    @cached_property
    def items(self) -> dict[str, Sequence[Item]]:
        """Stage -> its items, for stages whose items are known in advance."""
        return {s.name: load(s.items)(self.plan) for s in self.study.stages if s.items}

    @property
    def keys(self) -> list[str]:
        """Keys of all items in planned order; by default those of the first stage."""
        if self.study.keys:
            return load(self.study.keys)(self.plan)
        first = self.study.stages[0]
        return [item.key for item in self.items[first.name]] if first.items else []

    def prefix(self, stage: Stage) -> str:
        """What precedes an item's key in the execution table."""
        return "" if stage is self.study.stages[0] else f"{stage.name}."

    @property
    def rounds(self) -> int:
        """How often the stages are gone through."""
        return load(self.study.rounds)(self.config) if self.study.rounds else 1

    def waves(self, stage: Stage, stored: Stored, number: int = 0) -> Iterator[Wave]:
        """The waves of a stage in a round; a later one may depend on the rows of an earlier one."""
        if stage.items:
            return iter([Wave(self.items[stage.name])])
        return load(stage.waves)(replace(self.plan, round=number), stored)

    def origin(self, stage: Stage, item: Item, contents: Sequence[str] = ()) -> Origin:
        """What the parts of an item are made from; `contents` are digests of parts it reads."""
        slice_ = {k: v for k, v in self.settings.items() if k not in self.study.selecting}
        given = dict(self.inputs.contents) if item.origin is None else item.origin
        things = [self.study.name, stage.name, item.key, slice_, given, self.seed, contents]
        code = self._stage_codes[stage.name]
        return Origin(made_from(things), code, code_version=self.identity.code_version)

    @cached_property
    def _stage_codes(self) -> dict[str, str]:
        return {s.name: code_digest(*_code_of(self.study, [s])) for s in self.study.stages}


def _code_of(study: Study, stages: Sequence[Stage]) -> list[str]:
    """References to all code that the rows of some stages depend on."""
    found = [*_LAYOUT, study.config, study.inputs]
    for stage in stages:
        found += [stage.call, stage.items, stage.waves, stage.known, stage.share]
        found += [study.tables[table] for table in stage.tables]
    return [reference for reference in dict.fromkeys(found) if reference]


def plan_run(study: Study, config: FrozenConfig) -> PlannedRun:
    """Load and validate everything that a config names.

    Raises
    ------
    InputError
        For what is missing or cannot be used.
    """
    planned = PlannedRun(study, config, load(study.inputs)(config) if study.inputs else Inputs())
    _ = planned.keys  # refuses what items cannot be made of
    return planned


def open_run(planned: PlannedRun, store: str) -> Run:
    """Create or reopen the run; `store` is a folder or a URI, "" for the default.

    Raises
    ------
    InputError
        The key of an item is too long.
    StoreError
        The store cannot be written.
    """
    study = planned.study
    for stage in study.stages:
        for item in planned.items.get(stage.name, ()):
            encode_item(planned.prefix(stage) + item.key)
    run = Store.open(store or None).open_run(
        planned.identity, tuple(study.tables), planned.keys, citations=study.citations
    )
    if planned.inputs.places:
        run.volume.write(PLACES, canonical_json(planned.inputs.places).encode())
    return run


def continued_run(study: Study, store: str, reference: str) -> Run | None:
    """The run of older code in a store that is to be continued.

    Raises
    ------
    InputError
        If there is no such run, or it is of another study.
    """
    if not reference:
        return None
    older = Store.open(store or None).find_run(reference)
    if older.identity.flow != study.name:
        raise InputError(
            f"run {older.run_id} is of flow {older.identity.flow} and cannot be continued as "
            f"{study.name}"
        )
    if older.record.schema_version < SCHEMA_VERSION:
        raise InputError(
            f"run {older.run_id} was stored by an older release, which did not record what its "
            "items were made from: it can be read, but not continued"
        )
    return older


# --- chains -------------------------------------------------------------------------------------


def chain_links(
    chain: Chain, config: FrozenConfig, store: str
) -> Iterator[tuple[Study, FrozenConfig]]:
    """The studies of a chain with their configs, each once the one before is stored.

    Raises
    ------
    InputError
        If what a link is given is set in its config, too, or cannot be used.
    """
    folders: dict[str, str] = {}
    for link in chain.links:
        own = _own_config(link, config)
        given = {name: _filled(template, folders) for name, template in link.given.items()}
        own = type(own).model_validate(own.model_dump() | given)
        yield link.study, own
        folders[link.field] = open_run(plan_run(link.study, own), store).path


def _filled(template: str | Sequence[str], folders: Mapping[str, str]) -> str | list[str]:
    """A value with the folders of earlier runs in it."""
    if isinstance(template, str):
        return template.format(**folders)
    return [each.format(**folders) for each in template]


def check_links(chain: Chain, config: FrozenConfig, continued: str = "") -> None:
    """Refuse before anything starts what can be refused without the runs of earlier links.

    Raises
    ------
    InputError
        For what is missing or cannot be used; if a run is to be continued.
    """
    if continued:
        raise InputError("a chain cannot continue a run; continue the runs of its studies")
    for link in chain.links:
        plan_run(link.study, _own_config(link, config))


def _own_config(link: Link, config: FrozenConfig) -> FrozenConfig:
    """The config of a link, as far as it is known before the earlier links have runs."""
    own: FrozenConfig = getattr(config, link.field)
    for name in link.given:
        if getattr(own, name) != type(own).model_fields[name].default:
            raise InputError(f"{link.field}.{name} follows from earlier links: leave it out")
    return own
