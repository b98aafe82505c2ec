"""Plan of the study `perp`: what it reads, its items, and what it refuses.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.pruning.language.config import TINY, PerpConfig, label_of
from tasks.pruning.language.items import (
    PerpItem,
    adapt_items,
    load_items,
    merge_items,
    prune_items,
)
from tasks.records.rows import Row
from tasks.records.work import Inputs, Item, Plan, Resources

__all__ = [
    "ModelCheck",
    "adapt_work",
    "all_items",
    "check_perp",
    "estimate_lines",
    "input_name",
    "item_keys",
    "known_of_check",
    "known_of_model",
    "load_work",
    "measure_work",
    "merge_work",
    "perp_inputs",
    "perp_resources",
    "prune_work",
    "verification_work",
]


@dataclass(frozen=True)
class ModelCheck:
    """A model to be measured, or read again."""

    item: PerpItem

    @property
    def key(self) -> str:
        """Of the item that made it."""
        return self.item.key


def perp_inputs(config: PerpConfig) -> Inputs:
    """Contents of models, texts and adapter.

    Raises
    ------
    InputError
        If one is missing or damaged.
    """
    # Imported here: listing items needs no PyTorch.
    from tasks.pruning.language.making.subjects import adapter_digest, model_facts, text_digest

    given = [name for name in config.model if name not in TINY]
    facts = {label_of(name): model_facts(name) for name in config.model}
    contents = {input_name(label_of(n)): facts[label_of(n)].digest for n in given}
    contents |= {"text": text_digest(config.text), "other_text": text_digest(config.other_text)}
    if config.adapter:
        contents["adapter"] = adapter_digest(config.adapter)
    places = {"model": list(config.model), "text": config.text, "other_text": config.other_text}
    settings: dict[str, Any] = {
        "model": [label_of(name) for name in config.model],
        "text": label_of(config.text),
        "other_text": label_of(config.other_text),
    }
    if config.adapter:
        places["adapter"] = config.adapter
        settings["adapter"] = label_of(config.adapter)
    value = Known(contents, {label: each.lacking for label, each in facts.items()})
    return Inputs(contents, value, settings=settings, places=places)


def input_name(label: str) -> str:
    """What a given model is called among the inputs, which ``text`` and ``adapter`` are, too."""
    return f"model {label}"


@dataclass(frozen=True)
class Known:
    """What items follow from, beside the config.

    Attributes
    ----------
    contents : mapping
        Digests of given models by `input_name`, and of text, other_text and adapter.
    lacking : mapping
        Model label -> words of methods that it has no parameters for.
    """

    contents: Mapping[str, str]
    lacking: Mapping[str, Sequence[str]]


# --- items --------------------------------------------------------------------------------------


def item_keys(plan: Plan) -> list[str]:
    """Keys of all models in planned order."""
    return [item.key for item in all_items(plan)]


def load_work(plan: Plan) -> list[Item]:
    """The dense models."""
    return _work(plan, load_items(plan.config))


def prune_work(plan: Plan) -> list[Item]:
    """Models to be pruned, each from its dense one."""
    return _work(plan, prune_items(plan.config))


def adapt_work(plan: Plan) -> list[Item]:
    """Models to be made better, each from its pruned one."""
    return _work(plan, adapt_items(plan.config, plan.value.lacking))


def merge_work(plan: Plan) -> list[Item]:
    """Means of branches."""
    return _work(plan, merge_items(plan.config, plan.value.lacking))


def measure_work(plan: Plan) -> list[Item]:
    """Every model on both texts."""
    return [
        Item(item.key, ModelCheck(item), _origin(plan, item, "other_text"))
        for item in all_items(plan)
    ]


def verification_work(plan: Plan) -> list[Item]:
    """Every model from its files alone."""
    return [Item(item.key, ModelCheck(item), _origin(plan, item)) for item in all_items(plan)]


def all_items(plan: Plan) -> list[PerpItem]:
    """All models of a run, in planned order."""
    config, lacking = plan.config, plan.value.lacking
    makers: tuple[Callable[[], list[PerpItem]], ...] = (
        lambda: load_items(config),
        lambda: prune_items(config),
        lambda: adapt_items(config, lacking),
        lambda: merge_items(config, lacking),
    )
    return [item for make in makers for item in make()]


def _work(plan: Plan, items: Sequence[PerpItem]) -> list[Item]:
    return [
        Item(item.key, item, _origin(plan, item, "adapter"), parts=item.parents) for item in items
    ]


def _origin(plan: Plan, item: PerpItem, *more: str) -> dict[str, Any]:
    names = (input_name(item.label), "text", *more)
    contents = {name: plan.value.contents[name] for name in names if name in plan.value.contents}
    return {"contents": contents, "item": list(_identity(item))}


def _identity(item: PerpItem) -> tuple[Any, ...]:
    names = (item.step, item.label, item.replicate, item.criterion, item.pattern, item.method)
    return (*names, item.member)


def known_of_model(item: PerpItem) -> list[Row]:
    """What is known of an item that failed: a row of ``models``."""
    return [item.place()]


def known_of_check(work: ModelCheck) -> list[Row]:
    """What is known of a model that could not be measured or read."""
    return [{"item": work.key}]


def perp_resources(config: PerpConfig) -> Resources:
    """What one call needs: with ``device=cuda`` a GPU of its own."""
    return Resources(config.device)


# --- before anything starts ---------------------------------------------------------------------


def check_perp(config: PerpConfig, address: str = "") -> None:
    """Refuse what cannot be done.

    Raises
    ------
    InputError
        If a model, a text or an adapter is missing, damaged or does not fit, a text is too short, a
        sequence too long for a model, a pattern does not fit a layer, or the device is missing.
    """
    # Imported here: planning needs no PyTorch.
    from tasks.pruning.language.rehearsal import rehearse

    rehearse(config, address)


def estimate_lines(config: PerpConfig) -> list[str]:
    """What a run needs: memory and time, a line for each model."""
    from tasks.pruning.language import expectations

    return expectations.estimate_lines(config)
