"""Compilation by numba of the loops that plans spend their time in: explicit, in a fixed order, without BLAS and fast-math."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.core import event
from numba.extending import intrinsic


class _Announced(event.Listener):  # type: ignore[misc]
    """Says once that loops are being compiled: the first use on a machine takes a while, later ones find them on disk."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        """Say so where the first function of this program is compiled."""
        if not self.said and event.data["dispatcher"].py_func.__module__.startswith("fastmove."):
            self.said = True
            print("fastmove: compiling the solver, once on this machine (about 40 s)", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


event.register("numba:compile", _Announced())
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The function, compiled at its first call and kept on disk; division follows IEEE 754."""
    return cast(_Function, njit(cache=True, error_model="numpy")(function))


@intrinsic
def fma(context, a, b, c):  # type: ignore[no-untyped-def]
    """Compiled a·b + c, rounded once; the same bits on every processor, if slow on one without such an instruction."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        real = ir.DoubleType()
        return builder.call(builder.module.declare_intrinsic("llvm.fma", [real], ir.FunctionType(real, [real] * 3)), arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@compiled
def row_by_column(a: float, b: float, c: float, x: float, y: float, z: float) -> float:
    """Sum a x + b y + c z, rounded as BLAS rounds it in a product of matrices: the bits of numpy's `@`."""
    return fma(c, z, fma(b, y, a * x))


@compiled
def row_by_vector(a: float, b: float, c: float, x: float, y: float, z: float) -> float:
    """Sum a x + b y + c z, rounded as BLAS rounds it in a product of a matrix and a vector."""
    return fma(c, z, fma(a, x, b * y))
