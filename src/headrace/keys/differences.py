"""Two keys compared, in words: which field changed, and what of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from headrace.keys.key import Field, Key, Part

_LIBRARIES = "libraries"
_MOST_LINES = 3
_DIGITS = 8  # of a statement


def explain(old: Key, new: Key) -> list[str]:
    """Say what tells two keys apart, in the order of the chain; nothing of equal ones.

    Lines and files are those of the new key, as long as it was made in this process.

    >>> one, two = (Key((Field("take", f"take({n})", (Part("setting", str(n), name="stop"),)),)) for n in (1, 2))
    >>> explain(one, two), explain(one, one)
    (['take(1) became take(2)'], [])
    """
    lines: dict[str, None] = {}
    for before, after in _paired(old.fields, new.fields):
        if before is None and after is not None and after.kind != _LIBRARIES:
            lines[f"a {_word(after)} was added: {after.name}"] = None
        elif after is None and before is not None and before.kind != _LIBRARIES:
            lines[f"a {_word(before)} was removed: {before.name}"] = None
        else:
            before, after = before or Field(_LIBRARIES, "", ()), after or Field(_LIBRARIES, "", ())
            lines.update(dict.fromkeys(_changes(before, after) if before.digest != after.digest else ()))
    found = [line for line in lines if line]
    return found or ([] if old == new else ["the steps are put together in another way"])


def nearest(keys: Iterable[Key], new: Key) -> Key | None:
    """Return the key that has the most in common with another one; of equally near ones the first.

    >>> keys = [Key((Field(kind, kind, ()),)) for kind in ("a", "b")]
    >>> nearest(keys, Key((Field("b", "b", ()), Field("c", "c", ())))) is keys[1]
    True
    """
    fields, parts = _contents(new)

    def likeness(key: Key) -> tuple[int, int, int]:
        others, other_parts = _contents(key)
        return len(fields & others), len(parts & other_parts), -len(others ^ fields)

    return max(keys, key=likeness, default=None)


def _contents(key: Key) -> tuple[set[str], set[tuple[str, str, str, str]]]:
    parts = {(one.kind, part.of, part.name, part.digest) for one in key.fields for part in one.parts}
    return {one.digest for one in key.fields}, parts


def _word(field: Field) -> str:
    return "source" if any(part.kind in ("column", "content") for part in field.parts) else "step"


def _paired(old: tuple[Field, ...], new: tuple[Field, ...]) -> Iterator[tuple[Field | None, Field | None]]:
    """Give the fields that answer each other: equal ones, then in the gaps those of one kind and name, then of kind."""
    equal = SequenceMatcher(None, [one.digest for one in old], [one.digest for one in new], autojunk=False)
    for word, a, b, c, d in equal.get_opcodes():
        if word != "equal":
            yield from _alike(old[a:b], new[c:d])


def _alike(old: tuple[Field, ...], new: tuple[Field, ...]) -> Iterator[tuple[Field | None, Field | None]]:
    if len(old) == len(new) and [one.kind for one in old] == [one.kind for one in new]:
        yield from zip(old, new)
        return
    named = SequenceMatcher(None, [f"{one.kind} {one.name}" for one in old], [f"{one.kind} {one.name}" for one in new])
    for word, a, b, c, d in named.get_opcodes():
        if word == "equal":
            yield from zip(old[a:b], new[c:d])
            continue
        after = list(new[c:d])
        for before in old[a:b]:
            found = next((one for one in after if one.kind == before.kind), None)
            if found is not None:
                after.remove(found)
            yield before, found
        yield from ((None, one) for one in after)


def _changes(old: Field, new: Field) -> Iterator[str]:
    """Give a line for each part that changed; what only follows from others is told where there are no others."""
    before, after = _by_name(old.parts), _by_name(new.parts)
    told = False
    for name, part in after.items():
        other = before.get(name)
        if other is not None and other.digest == part.digest:
            continue
        for line in _of_part(old, new, other, part, before):
            told = True
            yield line
    for name, part in before.items():
        if name not in after and part.kind in ("value", "setting", "column", "library"):
            told = True
            yield _gone(new, part)
    if told:
        return
    names = [one for one in zip(old.parts, new.parts) if one[0].digest != one[1].digest and one[0].kind == "below"]
    if names:
        yield f"{new.name}: {names[0][1].name} changed" if names[0][1].name != "inputs" else ""
    elif old.name != new.name:
        yield f"{old.name} became {new.name}"
    else:
        yield f"{new.name}: what it reaches changed"


def _by_name(parts: Iterable[Part]) -> dict[tuple[str, str, str], Part]:
    found: dict[tuple[str, str, str], Part] = {}
    for part in parts:
        name, count = (part.kind, part.of, part.name), 2
        while name in found:  # functions of one name, such as two lambdas of a module
            name, count = (part.kind, part.of, f"{part.name} {count}"), count + 1
        found[name] = part
    return found


def _of_part(
    old: Field, new: Field, before: Part | None, after: Part, all_before: dict[tuple[str, str, str], Part]
) -> Iterator[str]:
    where = f"{new.name}: " if old.name == new.name else f"{old.name}, now {new.name}: "
    if after.kind == "code" and before is not None:
        yield where + _code(before, after)
    elif after.kind == "value" and after.name == "itself" and old.name != new.name:
        yield f"{old.name} became {new.name}"
    elif after.kind == "value":
        known = any(part.of == after.of for part in all_before.values())
        if before is not None or known:
            yield where + _value(before, after)
    elif after.kind == "setting":
        yield _setting(old, new, before, after)
    elif after.kind == "library":
        yield (
            f"{after.name} {after.shown} counts now"
            if before is None
            else f"{after.name} {before.shown} -> {after.shown}"
        )
    elif after.kind in ("column", "content"):
        yield _column(new, before, after)
    elif after.kind == "names" and before is not None:
        changes = _renamed(before, after)
        if changes:
            yield where + changes


def _code(old: Part, new: Part) -> str:
    who = "its source"
    if new.of:
        module, _, name = new.of.partition(":")
        file = f" ({new.place.file})" if new.place is not None else f" ({module})" if module else ""
        who = f"helper {name or module!r}{file}"
    return f"{who} changed{_lines(old, new)}"


def _lines(old: Part, new: Part) -> str:
    """Say in which lines the statements differ, as the file is now."""
    place = new.place
    if place is None or not old.statements or not new.statements:
        return ""
    before, after = _statements(old), _statements(new)
    found: list[int] = []
    for word, _, _, begin, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if word != "equal":  # what was deleted stood before what is there now
            found += place.lines[begin : max(end, begin + 1)] or place.lines[-1:]
    lines = sorted({*found})
    shown = ", ".join(map(str, lines[:_MOST_LINES])) + (", ..." if len(lines) > _MOST_LINES else "")
    return f", line{'s' if len(lines) > 1 else ''} {shown}" if lines else ""


def _statements(part: Part) -> list[str]:
    return [part.statements[at : at + _DIGITS] for at in range(0, len(part.statements), _DIGITS)]


def _value(old: Part | None, new: Part) -> str:
    what = "what it is called on" if new.name == "itself" else f"the value of {new.name}"
    if old is None:
        return f"{what} counts now" + (f" ({new.shown})" if new.shown else "")
    if old.shown and new.shown and old.shown != new.shown:
        return f"{what} changed from {old.shown} to {new.shown}"
    return f"{what} changed"


def _gone(new: Field, part: Part) -> str:
    if part.kind == "column":
        return f"source: column {part.name!r} is gone"
    if part.kind == "library":
        return f"{part.name} {part.shown} does not count any more"
    return f"{new.name}: {'the value of ' if part.kind == 'value' else ''}{part.name} does not count any more"


def _setting(old: Field, new: Field, before: Part | None, after: Part) -> str:
    if old.name != new.name:
        return f"{old.name} became {new.name}"
    if before is not None and before.shown != after.shown and before.shown and after.shown:
        return f"{new.name}: {after.name} changed from {before.shown} to {after.shown}"
    return f"{new.name}: {after.name} {'was added' if before is None else 'changed'}"


def _column(field: Field, old: Part | None, new: Part) -> str:
    place = new.place
    if old is None:
        return f"source: column {new.name!r} is new"
    if place is not None:
        size = f"size {old.size} -> {new.size} bytes" if old.size != new.size else f"{new.size} bytes"
        return f"source: {place.file} changed ({size}, written {place.written})"
    what = f"column {new.name!r}" if new.kind == "column" else f"{field.name}"
    shown = f" ({old.shown} -> {new.shown})" if old.shown != new.shown else ""
    return f"source: {what} changed{shown or ', its content'}"


def _renamed(old: Part, new: Part) -> str:
    """Say which names stand for something else."""
    before, after = (dict(item.split("=", 1) for item in part.shown.split(", ") if "=" in item) for part in (old, new))
    changes = [
        f"{name} is {after[name]}, and was {before[name]}"
        for name in after
        if name in before and before[name] != after[name]
    ]
    return "; ".join(changes)
