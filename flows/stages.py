"""One execution of a run: where its calls go, and what other runs it may take over."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import cached_property

from prefect.context import FlowRunContext

from flows.planning import PlannedRun
from flows.progress import announce, reporter
from flows.study import Stage
from tasks.records import Run, Store, Stored
from workers import Executor, connect
from workers.stages import StageRun

__all__ = ["Session"]


class Session:
    """One execution of a run.

    Ray is connected to when the first call is to be made, so that a run that has everything does
    not wait for it.

    Parameters
    ----------
    planned : PlannedRun
    run : Run
    address : str
        As accepted by `workers.connect`.
    continued : Run, optional
        A run of older code whose parts are taken over.
    """

    def __init__(
        self, planned: PlannedRun, run: Run, address: str, continued: Run | None = None
    ) -> None:
        self.planned = planned
        self.run = run
        self.stored = Stored(run, planned.schemas)
        self.address = address
        self.continued = continued
        self.failures: dict[str, str] = {}
        """Item -> why it has no rows."""
        self.taken = Counter[str]()
        """Run -> how many items were taken over from it."""
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def is_done(self, stage: Stage) -> bool:
        """Whether nothing is left of a stage whose items are known in advance."""
        waves = self.planned.waves(stage, self.stored)
        return bool(stage.items) and self._stage_run(stage).is_done(waves)

    def bring(self, stage: Stage, number: int = 0) -> None:
        """Bring every item of a stage, in a round, to the store."""
        self._stage_run(stage).bring(self.planned.waves(stage, self.stored, number), reporter)

    def _stage_run(self, stage: Stage) -> StageRun:
        context = FlowRunContext.get()
        flow_run = context.flow_run if context else None
        return StageRun(
            stage,
            self.stored,
            self.planned.identity.of_rows,
            self.planned.config,
            lambda item, contents: self.planned.origin(stage, item, contents),
            prefix=self.planned.prefix(stage),
            executor=lambda: self._executor,
            sources=lambda: self._sources,
            announce=announce,
            code=self.planned.inputs.code,
            flow_run_id=str(flow_run.id) if flow_run else "",
            failures=self.failures,
            taken=self.taken,
        )

    @cached_property
    def _executor(self) -> Executor:
        """Where calls are made."""
        if self.address != "serial":
            is_local = self.address == "local"
            announce("starting Ray" if is_local else f"connecting to Ray at {self.address}")
        return self._stack.enter_context(connect(self.address))

    @cached_property
    def _sources(self) -> list[tuple[Run, bool]]:
        """Other runs of the study in the store; that of older code, if there is one, first."""
        store = Store.open(self.run.path.rsplit("/", 2)[0])
        runs = store.runs_of(self.planned.study.name)
        others = [(run, False) for run in runs if run.run_id != self.run.run_id]
        return [(self.continued, True), *others] if self.continued else others
