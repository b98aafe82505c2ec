"""Stochastic Frank-Wolfe for networks: weights stay in their regions, others get AdamW or SGD.

    optimizer = FrankWolfe(model, region="spectral")

routes the weights of linear layers and convolutions to the region and everything else to AdamW,
within one object: one state dict, one scheduler, one gradient scaler.  Weights move by convex
combinations of themselves and extreme points, so that weights that are inside stay inside, and so
do their averages; weights in half precision are rounded from float32 numbers in the state.
Building it changes no weight; `enter` brings weights inside that are not.

`tasks.nn.optimizers.settings` says what a step is, and what makes it Muon, Scion or Lion.

Among several processes that average their gradients (DistributedDataParallel) each finds the
vertices of its share of the matrices, moves these, and hands them to the others.

References
----------
Pokutta, Spiegel, Zimmer, arXiv:2010.07243, algorithms 1 and 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from tasks.nn.optimizers import fused, fused_adaptive, unconstrained
from tasks.nn.optimizers.bucket import Bucket
from tasks.nn.optimizers.gap import Gap, gap_of
from tasks.nn.optimizers.members import Member
from tasks.nn.optimizers.options import (
    OPTIONS,
    check_group,
    check_options,
    check_unconstrained,
    named_parameters,
    ordinary_options,
    rule_from,
    settings_from,
    with_region,
)
from tasks.nn.optimizers.oracles import needs_start
from tasks.nn.optimizers.routing import Constrained, check_weights, routed
from tasks.nn.optimizers.settings import StepSettings
from tasks.nn.optimizers.states import check_shapes, check_types, own_types, prepare
from tasks.nn.regions import Region
from tasks.nn.sparsity.masks import held_mask
from tasks.records import InputError

MASKABLE = ("l1", "l2", "linf", "lp", "k_sparse", "k_norm", "k_support", "group_k_support")
"""Regions from which a point may lose entries."""
PYTORCHS = ("defaults", "state", "param_groups")
OURS = ("_model", "_constrained", "_names", "_given", "_is_compiled")
"""Attributes that copies have; schedulers add others, which are of one object."""
Params = nn.Module | Iterable[Any]


class FrankWolfe(Optimizer):
    """Frank-Wolfe steps for constrained weights, AdamW or SGD for the others.

    Parameters
    ----------
    params : Module, or parameters, named parameters or parameter groups
        Of a model, weights are routed (`tasks.nn.optimizers.routing`).  Groups may have an entry
        for each of the settings below; a region of None makes a group ordinary.
    region : str, Region or None
        A name, whose size follows from initialization, or a region as it is meant; "auto" is linf
        for the preset lion, and else spectral.
    preset : str
        sfw, momentum_sfw, muon, scion, lion, adasfw or adamsfw.
    lr : float
        Rate of the constrained weights.
    width : float
        Width factor of regions by name.
    radius : float, optional
        Radius of regions by name, in place of the width.
    k : int or float, optional
        Entries, groups or singular values; a float below 1 is a share.
    layout : Layout, optional
        Of the weights of a group: blocks of a fused weight, for example.
    weight_decay : float
        lambda of the presets muon and lion, whose regions have the radius f / lambda.
    others : {"adamw", "sgd"}
    others_lr : float
        Rate of all other weights; schedules scale both.
    compiled : bool
        Whether `torch.compile` compiles the steps of regions of vectors, when the first is taken:
        for many small weights on a GPU.  On a CPU the compiled passes of this package are faster.
    **changes
        Settings of `StepSettings`, and others_weight_decay, others_betas, others_momentum.

    Raises
    ------
    InputError
        For an empty group, a weight in two groups, complex or integer weights, a region that a
        weight cannot have, or unknown settings.
    """

    def __init__(
        self,
        params: Params,
        *,
        region: str | Region | None = "auto",
        preset: str = "momentum_sfw",
        lr: float = 0.1,
        others: str = "adamw",
        others_lr: float = 1e-3,
        compiled: bool = False,
        **options: Any,
    ) -> None:
        self._model = params if isinstance(params, nn.Module) else None
        self._constrained: dict[nn.Parameter, Constrained] = {}
        self._names: dict[nn.Parameter, str] = {}
        self._is_compiled = compiled
        given = {"region": region, "preset": preset, "others": others, "others_lr": others_lr}
        self._given = given | options
        if isinstance(params, Tensor):
            raise InputError("give a list of parameters, not a single one")
        check_options(self._given)
        groups = self._routed(params) if isinstance(params, nn.Module) else list(params)
        if not groups:
            raise InputError("an optimizer needs at least one weight")
        super().__init__(groups, {"lr": lr})

    def _routed(self, model: nn.Module) -> list[dict[str, Any]]:
        """Parameter groups of a model: those with the region, those without."""
        check_weights(model.named_parameters())
        options = with_region(self._given)
        if options["region"] is None:
            check_unconstrained(self._given)
            named = list(model.named_parameters())
            return [{"params": named, "region": None}] if named else []
        rule = rule_from(options)
        constrained, others, reason = routed(model, rule)
        if not constrained:
            why = reason or "it has no linear layer or convolution but the last"
            kind = type(model).__name__
            raise InputError(f"no weight of {kind} can have a region {rule.region.name}: {why}")
        own = [(each.name, each.weight) for each in constrained]
        groups: list[dict[str, Any]] = [{"params": own, "constrained": constrained}]
        return [*groups, {"params": others, "region": None}] if others else groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, with a region if it names one.

        Raises
        ------
        InputError
        """
        group = dict(param_group)
        check_group(group)
        named = named_parameters(group["params"], len(self.param_groups))
        check_weights(named)
        known = {parameter for own in self.param_groups for parameter in own["params"]}
        names = set(self._names.values())
        for name, parameter in named:
            if parameter in known:
                raise InputError(f"{name} is in two parameter groups")
            known.add(parameter)
            if name in names:
                raise InputError(f"two weights are called {name}; give each a name of its own")
            names.add(name)
        options = with_region(self._given | {n: group[n] for n in OPTIONS if n in group})
        ours = group.pop("constrained", None)
        group = {name: value for name, value in group.items() if name not in OPTIONS}
        group["params"] = [parameter for _, parameter in named]
        lr = group.get("lr", self.defaults["lr"])
        if not (math.isfinite(lr) and lr >= 0):
            raise InputError(f"a rate is finite and at least 0, not {lr}")
        if options["region"] is None:
            check_unconstrained({} if "region" in param_group else self._given)
            options = ordinary_options(options, param_group)
            group |= unconstrained.settings(options, lr, is_scaled="lr" not in param_group)
        else:
            ours = ours or [rule_from(options).applied(name, p, None) for name, p in named]
            settings = settings_from(options)
            if settings.is_adaptive and self._is_compiled:
                raise InputError("compiled is for steps without a metric; leave it out")
            for each in ours:
                needs_start(each.region, each.layout.shape(each.weight.shape), settings.oracle)
            group |= {"kind": "frank_wolfe", **settings.as_data()}
            group["regions"] = [each.as_data() for each in ours]
        super().add_param_group(group)
        self._names |= {parameter: name for name, parameter in named}
        if options["region"] is not None and ours:
            self._constrained |= {each.weight: each for each in ours}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all weights that have a gradient.

        Raises
        ------
        InputError
            On the CPU, for a gradient that is not finite: then nothing is changed.  On a GPU such a
            gradient of a constrained weight counts as zero, since to look would stop the device.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._check_settings()
        self._check_gradients()
        for group in self.param_groups:
            if group["kind"] == "frank_wolfe":
                self._move(group)
            else:
                unconstrained.step(group, self.state)
        return loss

    def _check_settings(self) -> None:
        """Refuse settings that somebody has changed to wrong ones, before anything is moved."""
        for group in self.param_groups:
            rate = group["lr"]
            if not isinstance(rate, Tensor) and not (math.isfinite(rate) and rate >= 0):
                raise InputError(f"a rate is finite and at least 0, not {rate}")
            if group["kind"] != "frank_wolfe":
                unconstrained.check(group)
                continue
            oracle = StepSettings.of(group).oracle
            for weight in group["params"] if oracle != "auto" else ():
                entry = self._constrained[weight]
                needs_start(entry.region, entry.layout.shape(weight.shape), oracle)

    def _move(self, group: dict[str, Any]) -> None:
        settings = StepSettings.of(group)
        buckets: dict[Any, Bucket] = {}
        for number, weight in enumerate(group["params"]):
            if weight.grad is None:
                continue
            gradient = weight.grad
            if gradient.device.type != "cpu":
                gradient = torch.where(gradient.isfinite().all(), gradient, 0.0)
            member = self._member(weight, gradient, settings, number)
            if not self._is_compiled and fused.takes(member, settings):
                fused.step(member, settings, group["lr"])
                continue
            if fused_adaptive.takes(member, settings):
                fused_adaptive.step(member, settings, group["lr"])
                continue
            bucket = Bucket(settings, is_compiled=self._is_compiled)
            buckets.setdefault(member.key, bucket).add(member)
        for bucket in buckets.values():
            bucket.step(group["lr"])
        for bucket in buckets.values():
            bucket.share()

    def _member(
        self, weight: nn.Parameter, gradient: Tensor, settings: StepSettings, number: int
    ) -> Member:
        """A weight with its state, which begins here."""
        entry, state = self._constrained[weight], self.state[weight]
        points = entry.layout.shape(weight.shape)
        prepare(entry, state, settings)
        # Processes with equal gradients share out the vertices of matrices.
        is_shared = distributed.is_initialized() and entry.region.event_dims == 2
        owner = number % distributed.get_world_size() if is_shared else None
        return Member(entry, points, gradient, state, held_mask(weight), owner)

    def _check_gradients(self) -> None:
        """Refuse a step that could not be taken whole, before anything is changed."""
        given = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        for weight in given:
            if weight.grad.is_sparse:
                raise InputError(f"{self._names[weight]} has a sparse gradient; make it dense")
            entry = self._constrained.get(weight)
            if entry and entry.region.name not in MASKABLE and held_mask(weight) is not None:
                raise InputError(
                    f"{entry.name}: a mask cannot be kept in the region {entry.region.name}"
                )
            if weight in self.state:
                name = self._names[weight]  # pyrefly: ignore[bad-index]
                check_types(name, weight, self.state[weight])
        here = [weight for weight in given if weight.device.type == "cpu"]
        for weight in here:
            if not fused.is_finite(weight.grad):
                raise InputError(
                    f"the gradient of {self._names[weight]} is not finite; nothing was changed"
                )

    def __getstate__(self) -> dict[str, Any]:
        """Regions and names included: copies keep their constraints, and step on their own."""
        return {name: self.__dict__[name] for name in (*PYTORCHS, *OURS)}

    def _moving(self) -> list[Constrained]:
        """Constrained weights that are not frozen."""
        return [each for each in self._constrained.values() if each.weight.requires_grad]

    def regions(self) -> dict[str, dict[str, Any]]:
        """Region and layout of every constrained weight by name, as plain data."""
        return {each.name: each.as_data() for each in self._constrained.values()}

    def feasibility(self) -> dict[str, float]:
        """Gauge of every constrained weight by name, in float64: 1 is the boundary."""
        return {
            each.name: float(each.region.gauge(each.layout.points(each.weight.detach())).max())
            for each in self._moving()
        }

    @torch.no_grad()
    def enter(self) -> dict[str, float]:
        """Bring weights inside that are outside; the gauges that these had, by name.

        Raises
        ------
        InputError
            For a weight that is not finite.
        """
        sizes = self.feasibility()
        for name, size in sizes.items():
            if not math.isfinite(size):
                raise InputError(f"{name} has entries that are not finite; nothing was changed")
        outside = {name: size for name, size in sizes.items() if size > 1}
        for each in self._moving():
            if each.name in outside:
                inside = each.region.enter(each.layout.points(each.weight))
                each.weight.copy_(each.layout.weight(inside, each.weight.shape))
        return outside

    def gap(self, loss: Callable[..., Tensor], batches: Iterable[Any]) -> Gap:
        """Frank-Wolfe gap of the mean loss over some batches; nothing else is changed.

        Parameters
        ----------
        loss : callable
            Of the model and a batch if the optimizer was built of a model, else of a batch.
        batches : iterable

        Raises
        ------
        InputError
            Without batches.
        """
        maximized = {p for g in self.param_groups if g["maximize"] for p in g["params"]}

        def value(batch: Any) -> Any:
            return loss(batch) if self._model is None else loss(self._model, batch)

        return gap_of(self._moving(), maximized, value, batches)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state of the same regions and shapes.

        Raises
        ------
        InputError
            Naming the first weight that differs; then nothing was changed.
        """
        groups = state_dict["param_groups"]
        own = [len(group["params"]) for group in self.param_groups]
        if [len(group["params"]) for group in groups] != own:
            raise InputError("the state is of other parameter groups")
        for group, saved in zip(self.param_groups, groups, strict=True):
            if group["kind"] != saved.get("kind"):
                raise InputError(
                    f"the state is of {saved.get('kind')}, the group is {group['kind']}"
                )
            for number, weight in enumerate(group["params"]):
                name = self._names[weight]
                if "regions" in group and group["regions"][number] != saved["regions"][number]:
                    raise InputError(f"{name} has another region in the state")
                kept = state_dict["state"].get(saved["params"][number], {})
                check_shapes(name, weight, self._constrained.get(weight), kept)
        super().load_state_dict(state_dict)
        # PyTorch casts states to the type of the weight; these have their own.
        for group, saved in zip(self.param_groups, groups, strict=True):
            for weight, key in zip(group["params"], saved["params"], strict=True):
                kept = state_dict["state"].get(key, {})
                for name, dtype in own_types(weight).items():
                    if name in kept:
                        self.state[weight][name] = kept[name].clone().to(weight.device, dtype)
