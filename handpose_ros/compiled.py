"""Numba's compiler as this package uses it: for arithmetic on a few numbers of a hand, of which NumPy would make dozens
of calls that each take longer than the arithmetic.

A compiled function is plain Python with loops. It is compiled when its module is imported, for the types that its
signature names, and kept on disk: no image waits for it, and the next start takes it from there. What it calls stands
in its own file, for the date of that file tells whether what is on disk is still right. Constants of other files (joint
numbers of `hand`) are compiled in as they are: who changes one removes what is kept.
"""

from collections.abc import Callable
from pickle import UnpicklingError

import numba
import numpy as np

from handpose_ros.interrupts import held_back


def compiled(signature: str) -> Callable[[Callable], Callable]:
    """Decorator: compiles a function for the types of `signature`, such as "f8[:,::1](f8[:,:,::1], f8)".

    Arrays are taken as they are: of this type, in C order, else TypeError. NaN and infinity are as NumPy has them.
    """

    def decorate(function):
        if numba.config.DISABLE_JIT:  # as its user asked for, to debug
            return function
        with held_back():  # what strikes in a callback from LLVM would be printed and lost
            try:
                return _kept(function, signature)
            except (RuntimeError, OSError):  # there is no directory to keep it in, or no room there
                return numba.njit(signature, error_model="numpy")(function)

    return decorate


def plain(array: np.ndarray) -> np.ndarray:
    """A copy of `array` as compiled functions take it: of floats, in C order, writeable."""
    return np.array(array, dtype=float, order="C")


def _kept(function, signature):
    dispatcher = numba.njit(cache=True, error_model="numpy")(function)
    try:
        dispatcher.compile(signature)
    except (EOFError, UnpicklingError):  # a file on disk was cut off, by a power failure say
        dispatcher.recompile()  # nothing, for nothing is compiled so far; but it forgets what is on disk
        dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


inlined = numba.njit(inline="always", error_model="numpy")  # decorator of what only compiled functions call
