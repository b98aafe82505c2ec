"""Plans of the study `adaptive-frank-wolfe`: optima, rates, descents."""

from __future__ import annotations

import hashlib

from tasks.frankwolfe.adaptive.config import AdaptiveConfig
from tasks.frankwolfe.adaptive.items import Descent, Target
from tasks.frankwolfe.adaptive.methods import METHODS, applies, check_batch
from tasks.frankwolfe.adaptive.names import parts_of
from tasks.frankwolfe.adaptive.problems import problem_names, problem_of
from tasks.frankwolfe.adaptive.sources import MAX_BYTES
from tasks.records.errors import InputError
from tasks.records.rows import Row
from tasks.records.sources import read_source
from tasks.records.work import Inputs, Item, Plan

__all__ = [
    "adaptive_inputs",
    "check_adaptive",
    "choice_items",
    "descent_items",
    "item_keys",
    "known_of_check",
    "known_of_choice",
    "known_of_descent",
    "known_of_target",
    "target_items",
]


def adaptive_inputs(config: AdaptiveConfig) -> Inputs:
    """The content of a table of one's own.

    Raises
    ------
    InputError
        If the file does not exist.
    """
    if not config.data:
        return Inputs()
    digest = hashlib.sha256(read_source(config.data, max_bytes=MAX_BYTES)).hexdigest()
    name = config.data.rpartition("/")[2]
    fields = type(config).model_fields
    settings = {"data": name, "problems": fields["problems"].default}
    return Inputs({"data": digest}, digest, settings=settings, places={"data": config.data})


def check_adaptive(config: AdaptiveConfig, address: str = "") -> None:
    """Refuse what cannot be minimized.

    Raises
    ------
    InputError
        For a table that cannot be read, batches larger than a sum, an objective that is not finite
        at the start, a start outside; if no method is for a region.
    """
    for name in problem_names(config):
        check_batch(config, problem_of(config, name))
        region = parts_of(name)[2]
        if not any(applies(method, region) for method in config.methods):
            raise InputError(f"{name}: none of the methods is for {region}; add fw")


def target_items(plan: Plan) -> list[Item]:
    """One item for each problem, whose optimum is found or checked."""
    return [
        Item(name, Target(plan.config, name), {"data": plan.value})
        for name in problem_names(plan.config)
    ]


def choice_items(plan: Plan) -> list[Item]:
    """One item for each problem: rates of all methods that have one."""
    methods = [name for name in plan.config.methods if METHODS[name].has_rate]
    return [
        Item(name, Target(plan.config, name), {"data": plan.value, "methods": methods})
        for name in problem_names(plan.config)
    ]


def descent_items(plan: Plan) -> list[Item]:
    """One item for each problem, method and repetition; of full gradients there is one."""
    return [
        Item(each.key, each, {"data": plan.value}, parts=(each.problem,))
        for each in _descents(plan.config)
    ]


def item_keys(plan: Plan) -> list[str]:
    """Keys of all items in planned order."""
    names = problem_names(plan.config)
    return [*names, *(each.key for each in _descents(plan.config))]


def known_of_target(target: Target) -> list[Row]:
    """What is known of an optimum that was not found."""
    data, loss, region = parts_of(target.problem)
    return [
        {
            "item": target.key,
            "problem": target.problem,
            "data": data,
            "loss": loss,
            "region": region,
        }
    ]


def known_of_choice(target: Target) -> list[Row]:
    """What is known of rates that could not be chosen."""
    return [{"item": target.key, "problem": target.problem}]


def known_of_check(target: Target) -> list[Row]:
    """What is known of an optimum that could not be checked."""
    return [{"item": target.key, "problem": target.problem}]


def known_of_descent(descent: Descent) -> list[Row]:
    """What is known of a descent that failed: a row of ``runs``."""
    return [
        {
            "item": descent.key,
            "problem": descent.problem,
            "method": descent.method,
            "replicate": descent.replicate,
        }
    ]


def _descents(config: AdaptiveConfig) -> list[Descent]:
    return [
        Descent(config, name, method, replicate)
        for name in problem_names(config)
        for method in config.methods
        if applies(method, parts_of(name)[2])
        for replicate in range(config.seeds if METHODS[method].is_stochastic else 1)
    ]
