"""The epochs with which the streams of a mux are started, each activation with one of its own."""

from __future__ import annotations

_ACTIVATIONS = 32  # bits: how many there may be in a run
_NESTED = 1 << 96


def activation_epoch(epoch: int, ordinal: int) -> int:
    """Return the epoch of an activation of a mux.

    In a run of epoch 0 it is the number of the activation, counted from 1; in muxes below others, which are started
    with such epochs, a wide integer that no other activation has, and that no crossing takes for one of its own: it
    folds it by a hash.

    Args:
        epoch: Of the run of the mux.
        ordinal: Which activation it is, from 0.

    >>> activation_epoch(0, 0), activation_epoch(0, 5)
    (1, 6)
    >>> activation_epoch(1, 0) > 2**96, activation_epoch(1, 0) != activation_epoch(2, 0)
    (True, True)
    """
    nested = (epoch << _ACTIVATIONS) + ordinal + 1
    return nested + _NESTED if epoch and nested < _NESTED else nested
