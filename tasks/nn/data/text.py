"""Text to learn from, character by character.

``python-docs`` is the reference of the Python language that comes with every interpreter, in
`pydoc_data.topics`; ``textfolder`` is a folder of one's own.  Paragraphs that were there before are
left out, for the reference repeats some, and what is held out must not be trained on.

The text is cut into blocks of 4,096 characters.  A permutation that depends on their number and the
split seed holds out a tenth of them for validation and a tenth for tests; each part is its blocks
in their order, and windows run over their joins.

Batches are a function of seed and step alone, like those of images: epoch e begins at an offset and
visits the windows of C characters in an order that depend on (seed, e).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from tasks.nn.data.datasets import expanded
from tasks.nn.data.utf8 import decoded, read_bytes
from tasks.records import InputError, derive_seed

TextName = Literal["python-docs", "textfolder"]
TEXTS: tuple[TextName, ...] = get_args(TextName)
SUFFIXES = (".txt", ".md", ".rst", ".tex", ".py")
"""Of the files of a folder that are read."""
HELD_OUT = 0.1
"""Share for validation, and for tests."""
_BLOCK = 4096
_MIN_BLOCKS = 10


@dataclass(frozen=True, eq=False)
class Text:
    """A text in three parts, as numbers of characters.

    Attributes
    ----------
    name : str
    characters : str
        All that occur, sorted; the number of a character is its place.
    train, validation, test : int32 Tensor (N,)
    """

    name: str
    characters: str
    train: Tensor
    validation: Tensor
    test: Tensor

    def shortened(self, num_train: int | None) -> Text:
        """With at most so many characters to train on."""
        return replace(self, train=self.train[:num_train])

    def to(self, device: torch.device | str) -> Text:
        """The same text on a device."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **parts)


@dataclass(frozen=True)
class TextBatches:
    """Batches of windows of the training text, each with the characters that follow.

    Attributes
    ----------
    text : Text
        On the device where the batches are wanted.
    batch_size : int
        Windows per batch.
    context : int
        Characters C in a window.
    seed : int
        Of offsets and order.
    """

    text: Text = field(repr=False)
    batch_size: int
    context: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in an epoch.

        Raises
        ------
        InputError
            If not even one batch fits.
        """
        return epoch_steps(self.text.train, self.context, self.batch_size)

    def at(self, step: int) -> Generator[tuple[Tensor, Tensor]]:
        """Endless batches (inputs (B, C), following characters (B, C)), int64, from a step on."""
        text, context = self.text.train, self.context
        for starts in window_starts(text, context, self.batch_size, seed=self.seed, step=step):
            yield windows(text, starts, context)


def epoch_steps(text: Tensor, context: int, batch_size: int, unit: str = "characters") -> int:
    """Number of whole batches of windows in an epoch.

    Raises
    ------
    InputError
        If not even one batch fits.
    """
    number = num_windows(text, context, unit)
    if not 1 <= batch_size <= number:
        raise InputError(
            f"batches of {batch_size} from {number} windows of {context} {unit}: take 1..{number}"
        )
    return number // batch_size


def window_starts(
    text: Tensor, context: int, batch_size: int, *, seed: int, step: int, unit: str = "characters"
) -> Generator[Tensor]:
    """Endless batches of places (B,) where windows begin, on the text's device, from a step on.

    Epoch e begins at an offset and visits its windows in an order that depend on (seed, e).
    """
    num_steps = epoch_steps(text, context, batch_size, unit)
    epoch, position = divmod(step, num_steps)
    while True:
        generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
        offset = int(torch.randint(context, (), generator=generator))
        order = torch.randperm(num_windows(text, context, unit), generator=generator)
        for block in range(position, num_steps):
            rows = order[block * batch_size : (block + 1) * batch_size]
            yield offset + context * rows.to(text.device)
        epoch, position = epoch + 1, 0


def num_windows(text: Tensor, context: int, unit: str = "characters") -> int:
    """Windows of an epoch, which fit wherever it begins.

    Raises
    ------
    InputError
        If the text is shorter than one.
    """
    found = (len(text) - context) // context
    if found < 1:
        raise InputError(f"a text of {len(text)} {unit} has no window of {context}")
    return found


def windows(text: Tensor, starts: Tensor, context: int) -> tuple[Tensor, Tensor]:
    """Windows (B, C) that begin at `starts` (B,), and the characters that follow, (B, C)."""
    places = starts[:, None] + torch.arange(context + 1, device=text.device)
    found = text[places].long()
    return found[:, :-1], found[:, 1:]


def evaluation_windows(
    text: Tensor, context: int, batch_size: int = 64
) -> Iterator[tuple[Tensor, Tensor]]:
    """All windows of a text from its beginning, once; the rest is left out."""
    starts = torch.arange(0, len(text) - context, context, device=text.device)
    for part in starts.split(batch_size):
        yield windows(text, part, context)


def load_text(name: TextName, *, folder: str | Path | None = None, split_seed: int = 0) -> Text:
    """Text in main memory.

    Parameters
    ----------
    name : TextName
    folder : path, optional
        Of a ``textfolder``: all files below it that end in .txt, .md, .rst, .tex or .py and are not
        hidden, in the order of their paths, UTF-8.
    split_seed : int
        Seed of what is held out.

    Raises
    ------
    InputError
        For an unknown name, a folder without text, a file that is not UTF-8, or too short a text.
    """
    if name not in TEXTS:
        raise InputError(f"no text is called {name!r}; known are {', '.join(TEXTS)}")
    return split_text(name, python_docs() if name == "python-docs" else _read(folder), split_seed)


def split_text(name: str, documents: Iterable[str], split_seed: int = 0) -> Text:
    """Text of some documents, without repeated paragraphs, in three parts.

    Raises
    ------
    InputError
        If it is too short.
    """
    paragraphs = (part for document in documents for part in document.split("\n\n"))
    whole = "\n\n".join(dict.fromkeys(paragraphs))
    count = len(whole) // _BLOCK
    if count < _MIN_BLOCKS:
        raise InputError(
            f"{name} has {len(whole):,} characters without repeated paragraphs; "
            f"at least {_MIN_BLOCKS * _BLOCK:,} are needed"
        )
    characters = "".join(sorted(set(whole)))
    number = {character: place for place, character in enumerate(characters)}
    tokens = torch.tensor([number[character] for character in whole], dtype=torch.int32)
    generator = torch.Generator().manual_seed(derive_seed(split_seed, "text", count))
    order, held = torch.randperm(count, generator=generator), max(round(HELD_OUT * count), 1)
    # The last block takes what is left over.
    blocks = [*tokens[: (count - 1) * _BLOCK].split(_BLOCK), tokens[(count - 1) * _BLOCK :]]

    def part(places: Tensor) -> Tensor:
        return torch.cat([blocks[place] for place in places.sort().values.tolist()])

    train, validation, test = order[2 * held :], order[:held], order[held : 2 * held]
    return Text(name, characters, part(train), part(validation), part(test))


def python_docs() -> list[str]:
    """Topics of the reference of Python, in the order of their names."""
    # Imported here: it is half a megabyte.
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def _read(folder: str | Path | None) -> list[str]:
    if not folder:
        raise InputError("textfolder needs data_folder, the folder of the text")
    place = expanded(folder)
    if not place.is_dir():
        raise InputError(f"{place} is not a folder")
    paths = text_files(place)
    if not paths:
        raise InputError(f"{place} has no files that end in {', '.join(SUFFIXES)}")
    return [decoded(read_bytes(path), path) for path in paths]


def text_files(folder: Path) -> list[Path]:
    """Files of text below a folder, in order; hidden files and folders are passed over."""

    def is_text(path: Path) -> bool:
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        return not is_hidden and path.suffix.lower() in SUFFIXES and path.is_file()

    return sorted(filter(is_text, folder.rglob("*")))
