"""Gradients with less variance for the training of networks: SVRF and SPIDER-FW.

With f the mean loss over all training examples and f_B that over a batch, every p steps the
gradient is that of f, at a *snapshot* w~ of the weights.  In between it is

    g_t = grad f_B(w_t) - grad f_B(w~) + grad f(w~)           ``svrf``
    g_t = grad f_B(w_t) - grad f_B(w_{t-1}) + g_{t-1}         ``spider``

Over the batches the first has the mean grad f(w_t): it has no bias.  The second has, given the
steps before, the bias g_{t-1} - grad f(w_{t-1}), the error of the step before; over all of them its
mean is grad f(w_t), too.

Both gradients of a batch are of the same examples with the same random numbers (dropout).  Batch
normalization is in training mode for both: each is that of the batch with its own statistics, and
the gradient at a snapshot is the mean of those of batches in a fixed order.  So with batch
normalization f is this mean, and the estimates have the bias that comes from which examples share a
batch; with dropout f is the mean under the random numbers of that step.  Running statistics follow
the evaluations at the present weights alone.

What is remembered is in every checkpoint.  Clipping acts on the estimate, and not on what is
remembered of it.

References
----------
Hazan, Luo, arXiv:1602.02101 (SVRF); Fang et al., arXiv:1807.01695, and Yurtsever, Sra, Cevher,
arXiv:1906.01779 (SPIDER-FW).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from tasks.nn.training import Loss, TrainingState, put_back
from tasks.records import InputError

Estimate = Literal["svrf", "spider"]
Whole = Callable[[], Iterable[tuple[Any, int]]]
"""All training examples, as batches with their numbers of examples."""


@dataclass
class ReducedState(TrainingState):
    """A training whose gradients have less variance.

    Attributes
    ----------
    whole : callable
        Gives all training examples, in the same order every time.
    estimate : {"svrf", "spider"}
    period : int
        Steps from one snapshot to the next.
    """

    whole: Whole = field(default=tuple, repr=False)
    estimate: Estimate = "svrf"
    period: int = 1
    _memory: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _next: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.estimate not in get_args(Estimate):
            known = ", ".join(get_args(Estimate))
            raise InputError(f"estimate must be one of {known}, not {self.estimate!r}")
        if self.period < 1:
            raise InputError(f"period is a whole number from 1 on, not {self.period!r}")

    def differentiate(
        self, batches: Sequence[Any], loss: Loss, *, mixed_precision: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss and terms, of all examples at a snapshot, else of the batches.

        Raises
        ------
        InputError
            Without examples, or if what was saved has no snapshot.
        """

        def differentiated(given: Sequence[Any]) -> tuple[Tensor, dict[str, Tensor]]:
            return TrainingState.differentiate(self, given, loss, mixed_precision=mixed_precision)

        is_snapshot = self.step % self.period == 0
        if is_snapshot:
            value, terms = self._of_all(differentiated)
        else:
            if not self._memory:
                raise InputError(f"step {self.step} needs the snapshot before; it was not saved")
            value, terms = differentiated(batches)
            now = self._gradients()
            with self._elsewhere(self._memory):
                differentiated(batches)
                then = self._gradients()
            for name, weight in self._weights():
                weight.grad = now[name].sub_(then[name]).add_(self._memory[f"gradient.{name}"])
        if is_snapshot or self.estimate == "spider":
            here = {f"weight.{name}": w.detach().clone() for name, w in self._weights()}
            found = {f"gradient.{name}": g.clone() for name, g in self._gradients().items()}
            self._next = here | found
        return value, terms

    def step_optimizer(self, rate: Any) -> None:
        """Move the weights; what was estimated is remembered only if they move."""
        self._memory, self._next = self._next or self._memory, {}
        super().step_optimizer(rate)

    def memory(self) -> Mapping[str, Tensor]:
        """The snapshot, or the weights before, with the gradient there."""
        return self._memory

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """See `TrainingState.recall`."""
        weights = dict(self._weights())
        wanted = {f"{kind}.{name}" for kind in ("weight", "gradient") for name in weights}
        if memory and memory.keys() != wanted:
            raise InputError("the gradients that were saved are of other weights")
        self._memory = {
            name: value.to(weights[name.partition(".")[2]]) for name, value in memory.items()
        }

    def _of_all(self, differentiated: Callable[..., Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and terms over all examples; the parameters get the mean gradient."""
        sums: dict[str, Tensor] = {}
        values, all_terms, count = [], [], 0
        for batch, size in self.whole():
            value, terms = differentiated([batch])
            for name, gradient in self._gradients().items():
                found = gradient.mul_(size)
                sums[name] = sums[name].add_(found) if name in sums else found
            values.append(value * size)
            all_terms.append({name: term * size for name, term in terms.items()})
            count += size
        if not count:
            raise InputError(
                "a variance-reduced gradient needs training examples, and the data have 0"
            )
        for name, weight in self._weights():
            weight.grad = sums[name].div_(count)
        means = {
            name: torch.stack([each[name] for each in all_terms]).sum() / count
            for name in all_terms[0]
        }
        return torch.stack(values).sum() / count, means

    def _weights(self) -> Iterator[tuple[str, nn.Parameter]]:
        yield from ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def _gradients(self) -> dict[str, Tensor]:
        """Gradients that the parameters hold; 0 for those without one."""
        return {
            name: torch.zeros_like(weight) if weight.grad is None else weight.grad
            for name, weight in self._weights()
        }

    @contextmanager
    def _elsewhere(self, memory: Mapping[str, Tensor]) -> Iterator[None]:
        """With the remembered weights and the random numbers of this step; statistics stay."""
        kept = [(weight, weight.detach().clone()) for _, weight in self._weights()]
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        torch.manual_seed(torch.initial_seed())
        try:
            with torch.no_grad():
                for name, weight in self._weights():
                    weight.copy_(memory[f"weight.{name}"])
            yield
        finally:
            with torch.no_grad():
                for weight, value in kept:
                    weight.copy_(value)
            put_back(self.model, buffers)
