"""Perplexity of stored models on two texts, one of them never trained on."""

from __future__ import annotations

import math
from typing import Any

from tasks.nn import evaluating
from tasks.pruning.language.config import label_of
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.making.stored_models import StoredModel
from tasks.pruning.language.making.subjects import Subject
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.texts.perplexity import perplexity
from tasks.records.status import Status
from tasks.records.work import Place

__all__ = ["perplexity_rows"]


def perplexity_rows(item: PerpItem, place: Place, checkpoint: str) -> list[dict[str, Any]]:
    """One row for each text, of a model as its files have it."""
    subject = Subject.of(item, place.folder)
    stored = StoredModel(place.folder, checkpoint, subject.folder)
    model = LanguageModel.open(stored, place.device).load()
    texts = {item.config.text: True, item.config.other_text: False}
    rows = []
    for text, is_trained_on in texts.items():
        sequences = subject.evaluation(text).to(place.device)
        with evaluating(model):
            found = perplexity(model, sequences, batch_size=item.config.batch_size)
        nll = found.nll / found.num_tokens
        is_finite = math.isfinite(nll)
        rows.append(
            {
                **item.place(),
                "status": Status.OK if is_finite else Status.FAILED,
                "reason": "" if is_finite else "its loss is not finite",
                "text": label_of(text),
                "is_trained_on": is_trained_on,
                "tokens": found.num_tokens,
                "nll": nll if is_finite else None,
                "perplexity": found.value if math.isfinite(found.value) else None,
            }
        )
    return rows
