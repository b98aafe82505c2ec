"""What runs, in which order: the Prefect flows, and the one public list of them.

A flow is named here by strings only, so that listing the flows imports neither Prefect nor Ray:
attributes of a `FlowEntry` that stand for code are references ``package.module:object``, resolved
when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["FLOWS", "FlowEntry"]


@dataclass(frozen=True)
class FlowEntry:
    """One flow, by name.

    Attributes
    ----------
    name : str
        The flow's name, in Prefect, in the store and on the command line.
    summary : str
        One line for people.
    entrypoint : str
        Module path of the flow function as Prefect deployments spell it, ``package.module.flow``.
    config : str
        The flow's config class.
    plan : str
        Function config -> plan (run identity, items) that validates every input.
    recipes : str
        Mapping recipe name -> `flows.recipes.Recipe`.
    report : str
        Module with ``terminal_report(run)``, ``draw_figures(run)`` and ``stored_figures(run)``.
    tables : tuple of str
        Science tables of a run.
    citations : tuple of str
        Keys of `tasks.records.CITATIONS` that the results rest on.
    check : str
        Function (config, address) that refuses a config that cannot run there; empty if there is
        none.
    """

    name: str
    summary: str
    entrypoint: str
    config: str
    plan: str
    recipes: str
    report: str
    tables: tuple[str, ...]
    citations: tuple[str, ...] = ()
    check: str = ""

    def load(self, attribute: str) -> Any:
        """The object that an attribute of this entry refers to; imports its module."""
        reference = getattr(self, attribute)
        module, _, name = reference.partition(":")
        if attribute == "entrypoint":
            module, _, name = reference.rpartition(".")
        loaded = import_module(module)
        return getattr(loaded, name) if name else loaded


FLOWS: dict[str, FlowEntry] = {
    entry.name: entry
    for entry in (
        FlowEntry(
            name="tcurve-census",
            summary="Exact census of the real schemes of all T-curves on given triangulations.",
            entrypoint="flows.tcurve_census.tcurve_census",
            config="tasks.tcurves:CensusConfig",
            plan="tasks.tcurves:plan_census",
            recipes="flows.recipes.tcurves:RECIPES",
            report="flows.reports",
            tables=("histogram", "summary", "verification"),
            citations=("FIC", "LCP"),
        ),
        FlowEntry(
            name="tcurve-sweep",
            summary="Real schemes of chosen sign vectors of many triangulations, on CPUs or GPUs.",
            entrypoint="flows.tcurve_sweep.tcurve_sweep",
            config="tasks.tcurves:SweepConfig",
            plan="tasks.tcurves:plan_sweep",
            check="tasks.tcurves:check_sweep_device",
            recipes="flows.recipes.sweeps:RECIPES",
            report="flows.sweep_reports",
            tables=("sweep", "shards", "histogram", "summary", "verification"),
            citations=("FIC",),
        ),
        FlowEntry(
            name="tcurve-hunt",
            summary="Search for real schemes of T-curves of one degree, each with a certificate.",
            entrypoint="flows.tcurve_hunt.tcurve_hunt",
            config="tasks.tcurves.hunt:HuntConfig",
            plan="tasks.tcurves.hunt:plan_hunt",
            recipes="flows.recipes.tcurve_hunt:RECIPES",
            report="flows.hunt_reports",
            tables=("candidates", "archive", "known"),
            citations=("FIC", "LCP"),
        ),
        FlowEntry(
            name="sos-certify",
            summary="Sums of squares: an exact proof or refutation of every given polynomial.",
            entrypoint="flows.sos_certify.sos_certify",
            config="tasks.sos.config:CertifyConfig",
            plan="tasks.sos.run:plan_certify",
            recipes="flows.recipes.sos:RECIPES",
            report="flows.sos_reports",
            tables=("certificates", "attempts", "verification"),
            citations=("NSOS", "PP08", "Reznick78", "TSSOS"),
        ),
        FlowEntry(
            name="sos-dataset",
            summary="Random polynomials with known bases, as data sets to train on.",
            entrypoint="flows.sos_dataset.sos_dataset",
            config="tasks.sos.sampling.datasets:DatasetConfig",
            plan="tasks.sos.sampling.datasets:plan_dataset",
            recipes="flows.recipes.sos_datasets:RECIPES",
            report="flows.sos_dataset_reports",
            tables=("polynomials", "cards"),
            citations=("NSOS",),
        ),
        FlowEntry(
            name="sos-train",
            summary="Train a network that predicts the monomial bases of sums of squares.",
            entrypoint="flows.sos_train.sos_train",
            config="tasks.sos.prediction.config:TrainConfig",
            plan="tasks.sos.prediction.plan:plan_train",
            recipes="flows.recipes.sos_training:RECIPES",
            report="flows.sos_train_reports",
            tables=("curve", "scores", "models"),
            citations=("NSOS",),
        ),
        FlowEntry(
            name="sos-benchmark",
            summary="Methods for choosing a monomial basis, side by side on the same polynomials.",
            entrypoint="flows.sos_benchmark.sos_benchmark",
            config="tasks.sos.benchmarking.config:BenchmarkConfig",
            plan="tasks.sos.benchmarking.run:plan_benchmark",
            recipes="flows.recipes.sos_benchmarks:RECIPES",
            report="flows.sos_benchmark_reports",
            tables=("trials",),
            citations=("NSOS", "TSSOS"),
        ),
        FlowEntry(
            name="sparse-soup",
            summary="Sparse model soups, and what else can be done with as much compute.",
            entrypoint="flows.sparse_soup.sparse_soup",
            config="tasks.pruning:SoupConfig",
            plan="tasks.pruning:plan_soup",
            check="tasks.pruning:check_pruning",
            recipes="flows.recipes.pruning:SOUP_RECIPES",
            report="flows.sparse_soup_reports",
            tables=("models", "curve", "distances", "verification"),
            citations=("SMS", "BIMP"),
        ),
        FlowEntry(
            name="imp",
            summary="Pruning with retraining: schedules, budgets and sparsities side by side.",
            entrypoint="flows.imp.imp",
            config="tasks.pruning:ImpConfig",
            plan="tasks.pruning:plan_imp",
            check="tasks.pruning:check_pruning",
            recipes="flows.recipes.pruning:IMP_RECIPES",
            report="flows.imp_reports",
            tables=("models", "curve", "distances", "verification"),
            citations=("BIMP",),
        ),
    )
}
