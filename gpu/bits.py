"""Bit operations on 64-bit words that compile to one machine instruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_FLAG = ir.IntType(1)


def _ctpop(typing_context: Any, word: Any) -> Any:
    """Emit LLVM's population count."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), codegen


def _cttz(typing_context: Any, word: Any) -> Any:
    """Emit LLVM's count of trailing zeros; the flag leaves 0 undefined."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(_FLAG, 1))

    return types.int64(types.int64), codegen


_count_ones = cast("Callable[[int], int]", intrinsic(_ctpop))
_count_trailing_zeros = cast("Callable[[int], int]", intrinsic(_cttz))


@njit(cache=True)
def num_bits(word):
    """Count the ones of an int64."""
    return _count_ones(word)


@njit(cache=True)
def lowest_bit(word):
    """Return the index of the lowest one of an int64; undefined for 0."""
    return _count_trailing_zeros(word)
