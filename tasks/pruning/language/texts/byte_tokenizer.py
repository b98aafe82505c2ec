"""A tokenizer whose tokens are the 256 bytes of UTF-8: the number of a token is its byte.

It is a tokenizer like any other in a model's folder: byte-level byte-pair encoding without a
single merge and without special tokens.  Any text is decoded to itself.

References
----------
Radford et al., Language models are unsupervised multitask learners, 2019, section 2.2
(byte-level byte-pair encoding).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.records import InputError

NUM_BYTES = 256


def byte_tokenizer() -> Any:
    """The tokenizer, a `PreTrainedTokenizerFast` of transformers.

    Raises
    ------
    InputError
        If the extra is not installed.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast
    except ModuleNotFoundError as error:
        raise InputError(
            "a tokenizer needs the extra language: pip install 'latticework[language]'"
        ) from error
    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)


def save_byte_tokenizer(folder: str | Path) -> None:
    """Write tokenizer.json and tokenizer_config.json into a folder, for `AutoTokenizer`."""
    byte_tokenizer().save_pretrained(str(folder))


def _vocabulary() -> dict[str, int]:
    """Bytes by the character that stands for each in byte-level encoding.

    Those that can be seen stand for themselves; the others are the characters from 256 on.
    """
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(NUM_BYTES) if byte not in seen]
    places = {byte: NUM_BYTES + place for place, byte in enumerate(hidden)}
    return {chr(places.get(byte, byte)): byte for byte in range(NUM_BYTES)}
