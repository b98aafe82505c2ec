"""The flow `sparse-soup`: sparse model soups beside everything that takes as much compute.

Steps: *pretrain*; per phase *prune*, *retrain* (members of the soup, lines of plain pruning, a line
with m times the retraining, all in parallel) and *merge* (soup, ensemble, means that are pruned
again); *verify*; *report*. All repetitions go through a step together. A member that fails is a row
with a status; the soup goes on without it if enough are left, and says so.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.pruning import run_pruning
from flows.recipes.pruning import digits
from flows.sparse_soup_reports import publish_report
from flows.steps import guarded
from tasks.pruning import SoupConfig, plan_soup

__all__ = ["sparse_soup"]

ENTRY = FLOWS["sparse-soup"]
DEFAULT_CONFIG = digits()


@flow(name=ENTRY.name, persist_result=False)
def sparse_soup(
    config: SoupConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Train sparse model soups and what they are compared with.

    Args:
        config: What to train; all but device and place of the images determines the results and
            names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(
        lambda: run_pruning(
            ENTRY, plan_soup(config), publish_report, store=store, ray_address=ray_address
        )
    )
