"""What a state carries beside the place: the number of its format and the identity of the flow it belongs to.

``{"format": 1, "order": [lines], "code": [lines], "steps": kinds, "at": cursor's state}``, plain JSON. The lines are
those of ``Flow.order`` and ``Flow.code``; a state whose steps or order differ is refused with what differs, other code
only warns.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import zip_longest
from typing import Any

from headrace.core.errors import CodeChangedWarning, StateError
from headrace.core.flow import Flow, State
from headrace.core.warn import warn

FORMAT = 1
LINES_LIMIT = 400  # characters of lines that a state carries whole
_MOST = 1 << 63
_END = 120  # characters kept of the first and of the last line where they are more


def envelope(flow: Flow, at: State) -> State:
    """Return a place in a flow together with what the flow is."""
    return {**identity(flow), "at": at}


def identity(flow: Flow) -> State:
    """Return the part of an envelope that is the same at every place of a flow."""
    return {"format": FORMAT, "order": brief(flow.order()), "code": brief(flow.code()), "steps": _steps(flow)}


def open_envelope(flow: Flow, state: object) -> State:
    """Return the place that a state says, when it belongs to this flow.

    Raises:
        StateError: It is no state, of a newer format, or of a flow that gives other items or another order.

    Warns:
        CodeChangedWarning: A function that makes the items is another than when the state was saved.
    """
    saved = _checked(state)
    here = identity(flow)
    if (differing := _differing(saved["order"], here["order"])) is not None:
        raise StateError(
            "the state belongs to another order of items. "
            f"Where it was saved: {differing[0]}; here: {differing[1]}. Build the same chain, or start a new run"
        )
    if saved.get("steps", here["steps"]) != here["steps"]:
        raise StateError(
            f"the state belongs to another chain of steps. Where it was saved: {saved['steps']!r:.300}; "
            f"here: {here['steps']!r:.300}. Build the same chain, or start a new run"
        )
    if (differing := _differing(saved["code"], here["code"])) is not None:
        warn(
            f"code has changed since the state was saved. Then: {differing[0]}; now: {differing[1]}. "
            "The run goes on at the same place with the new code",
            CodeChangedWarning,
        )
    at: State = saved["at"]
    return at


def _steps(flow: Any) -> str:
    """Return the kinds of steps that a state is shaped by: ``crossing > map > batch``; many are shortened."""
    several = getattr(flow, "upstreams", ())
    under = [flow.upstream] if getattr(flow, "upstream", None) is not None else list(several)
    own = "" if getattr(flow, "stateless", False) else type(flow).__name__.lower()
    below = _steps(under[0]) if len(under) == 1 else f"({', '.join(map(_steps, under))})" if under else ""
    text = " > ".join(part for part in (below, own) if part)
    if len(text) <= _END:
        return text
    return f"{text[: _END - 40]} ... {blake2b(text.encode(), digest_size=8).hexdigest()}"


def brief(lines: Sequence[str]) -> list[str]:
    """Return lines as they are, or, where they are long together, the ends of them and a digest of all.

    >>> brief(["range(0, 10)", "take(3)"])
    ['range(0, 10)', 'take(3)']
    >>> brief([f"stream {number}" for number in range(1000)])
    ['stream 0', '(1000 lines, digest 68bbe7d013fb1e65)', 'stream 999']
    """
    if sum(map(len, lines)) <= LINES_LIMIT:
        return list(lines)
    digest = blake2b(digest_size=8)
    for line in lines:
        encoded = line.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(encoded), encoded))
    middle = f"({len(lines)} lines, digest {digest.hexdigest()})"
    ends = [line if len(line) <= _END else line[: _END - 4] + " ..." for line in (lines[0], lines[-1])]
    return [ends[0], middle, ends[1]] if len(lines) > 1 else [ends[0], middle]


def read_whole(state: State, name: str, least: int = 0) -> int:
    """Return a whole number that a cursor's state must have.

    Raises:
        StateError: It is not there, of another kind, or below ``least``.
    """
    value = _read(state, name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _MOST:
        raise StateError(f"the state is damaged: {name!r} should be a whole number from {least} up, got {value!r}")
    return value


def read_state(state: State, name: str = "upstream") -> State:
    """Return the state of a cursor below, which a cursor's state must have.

    Raises:
        StateError: It is not there, or no dict.
    """
    value = _read(state, name)
    if not isinstance(value, dict):
        raise StateError(f"the state is damaged: {name!r} should be a dict, got {value!r}")
    return value


def read_list(state: State, name: str, length: int | None = None) -> list[Any]:
    """Return a list that a cursor's state must have, of the given length if there is one.

    Raises:
        StateError: It is not there, no list, or of another length.
    """
    value = _read(state, name)
    if not isinstance(value, list) or (length is not None and len(value) != length):
        expected = "a list" if length is None else f"a list of {length}"
        raise StateError(f"the state is damaged: {name!r} should be {expected}, got {value!r}")
    return value


def _read(state: State, name: str) -> Any:
    if not isinstance(state, dict) or name not in state:
        raise StateError(f"the state is damaged: {name!r} is missing in {state!r:.200}")
    return state[name]


def _checked(state: object) -> State:
    """Return a state whose outer parts are of the right kinds."""
    if not isinstance(state, dict):
        raise StateError(f"a state is the dict that state_dict() returned, got {type(state).__name__}")
    number = state.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise StateError(f"a state has a 'format', a number from 1 up, got {number!r}: is it from state_dict()?")
    if number > FORMAT:
        raise StateError(
            f"the state was saved by a newer Headrace (format {number}); this one reads up to {FORMAT}: upgrade"
        )
    for name, kind in (("order", list), ("code", list), ("at", dict)):
        if not isinstance(state.get(name), kind):
            raise StateError(
                f"the state is damaged: {name!r} should be a {kind.__name__}, got {state.get(name)!r:.200}"
            )
    return state


def _differing(saved: list[Any], here: list[str]) -> tuple[str, str] | None:
    """Return the first pair of lines that differ, quoted."""
    for before, now in zip_longest(saved, here):
        if before != now:
            return _quoted(before), _quoted(now)
    return None


def _quoted(line: object) -> str:
    return "nothing more" if line is None else repr(line)
