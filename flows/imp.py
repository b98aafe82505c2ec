"""The flow `imp`: pruning with retraining, schedules x budgets x sparsities.

Steps: *pretrain* (the dense networks), *compare* (one call per schedule, budget, sparsity and
repetition; also BIMP, GMP and DPF with as many steps in all), *verify*, *report*.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.imp_reports import publish_report
from flows.pruning import run_pruning
from flows.recipes.pruning import schedules_digits
from flows.steps import guarded
from tasks.pruning import ImpConfig, plan_imp

__all__ = ["imp"]

ENTRY = FLOWS["imp"]
DEFAULT_CONFIG = schedules_digits()


@flow(name=ENTRY.name, persist_result=False)
def imp(config: ImpConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local") -> State:
    """Compare ways of retraining after pruning, and of pruning during training.

    Args:
        config: What to compare; all but device and place of the images determines the results and
            names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(
        lambda: run_pruning(
            ENTRY, plan_imp(config), publish_report, store=store, ray_address=ray_address
        )
    )
