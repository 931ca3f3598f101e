"""What a writer has in hand as plain JSON, and a writer that goes on from there."""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.errors import DamageError
from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.npy import Grown, NpyWriter
from headrace.stores.parts import PartWriter, Writer
from headrace.stores.sums import PIECE, FileSum
from headrace.stores.writers import Place

Known = dict[str, dict[str, Any]]
"""What was noted of each part last, by its number."""


def described(writer: Writer, known: Known) -> tuple[dict[str, Any], Known]:
    """Return what has become of a writer since it was described last, and what is known with that.

    Of the digests of a file's pieces only those are told which are new, so that a line stays short.

    Args:
        writer: Between two appends.
        known: What is known; empty if nothing is.
    """
    now: Known = {}
    changed: Known = {}
    for number, part in enumerate(writer.parts):
        before = known.get(str(number), {"files": {}})
        after = _part(part)
        now[str(number)] = after
        if after != before:
            files = {name: _newer(file, before["files"].get(name)) for name, file in after["files"].items()}
            changed[str(number)] = {**after, "files": files}
    line = {
        "records": writer.length,
        "structure": writer.structure,
        "layout": _encoded(writer.layout),
        "parts": changed,
    }
    return line, now


def _part(part: PartWriter) -> dict[str, Any]:
    made = part.made and {name: asdict(sum) for name, sum in part.made.files.items()}
    files = {file.path.name: _file(file.grown) for file in part.columns.files()}
    return {"length": part.length, "weight": part.weight, "made": made, "files": files}


def _file(grown: Grown) -> dict[str, Any]:
    return {
        "rows": grown.rows,
        "size": grown.size,
        "header": grown.header,
        "dtype": repr(np.lib.format.dtype_to_descr(grown.dtype)),
        "item": list(grown.item),
        "from": 0,
        "behind": [digest.hex() for digest in grown.behind],
    }


def _newer(file: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is told of a file: without the digests of pieces that were complete already."""
    complete = 0 if before is None else max(0, before["size"] // PIECE - 1)
    return {**file, "from": complete, "behind": file["behind"][complete:]}


def _encoded(layout: Layout) -> dict[str, Any]:
    """Return a layout as JSON, with what a manifest does not say: which columns have no values yet."""
    fields = {name: _encoded(one) for name, one in layout.fields.items()}
    return {**layout.to_json(), "empty": layout.empty, **({"fields": fields} if fields else {})}


def _decoded(plain: Mapping[str, Any]) -> Layout:
    fields = {name: _decoded(one) for name, one in plain.get("fields", {}).items()}
    return Layout(plain["kind"], plain.get("dtype", ""), tuple(plain.get("shape", ())), fields, plain["empty"])


def restore(writer: Writer, lines: Iterable[Mapping[str, Any]]) -> Known:
    """Let a writer go on from where another was when it was described last.

    Args:
        writer: A new one, in the stage of the other.
        lines: What was said of that, the oldest first.

    Returns:
        What is known of the writer, and safe.

    Raises:
        DamageError: What lies in the stage is not what was described.
        OSError: It cannot be read.
    """
    last: Mapping[str, Any] | None = None
    safe: Known = {}
    known: Known = {}
    for line in lines:
        if "records" in line:
            last = line
            told = {number: _joined(part, safe.get(number, {"files": {}})) for number, part in line["parts"].items()}
            known = {**safe, **told}  # each line says what is new since the last one that is safe
            safe = safe if "boot" in line else known
    if last is None:
        _tidy(writer.stage, 0)
        return {}
    layout = _decoded(last["layout"])
    count = max((int(number) for number in known), default=-1) + 1
    for number in range(count):
        _find_folder(writer.stage, known, number)
    _tidy(writer.stage, count)
    parts = [_reopened(writer, layout, number, known[str(number)]) for number in range(count)]
    writer.resume(last["structure"], layout, parts)
    if writer.length != last["records"]:
        raise DamageError(f"the parts in {writer.stage} hold {writer.length} records, expected {last['records']}")
    return safe


def _joined(part: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return all that is known of a part, after it was told of again."""
    files = {}
    for name, file in part["files"].items():
        old = before["files"].get(name, {"behind": []})["behind"][: file["from"]]
        files[name] = {**file, "from": 0, "behind": [*old, *file["behind"]]}
    return {**part, "files": files}


def _made(part: Mapping[str, Any]) -> Part | None:
    made = part["made"]
    return made and Part(part["length"], {name: FileSum(**sum) for name, sum in made.items()})


def _find_folder(stage: Path, known: Known, number: int) -> None:
    """Give a part's folder its number again, if it was named by its digest already; equal parts shared one folder."""
    made, folder = _made(known[str(number)]), stage / f"part{number}"
    if folder.is_dir() or made is None:
        return
    if (stage / made.digest).is_dir():
        os.rename(stage / made.digest, folder)
        return
    for earlier in range(number):
        other = _made(known[str(earlier)])
        if other is not None and other.digest == made.digest:
            shutil.copytree(stage / f"part{earlier}", folder)
            return


def _tidy(stage: Path, count: int) -> None:
    """Take away the folders of parts that nothing is known of."""
    wanted = {f"part{number}" for number in range(count)}
    for path in stage.iterdir():
        if path.is_dir() and path.name not in wanted:
            shutil.rmtree(path)


def _reopened(writer: Writer, layout: Layout, number: int, known: Mapping[str, Any]) -> PartWriter:
    folder = writer.stage / f"part{number}"
    if not folder.is_dir():
        raise DamageError(f"{folder} is missing")
    files = {name: _grown(told) for name, told in known["files"].items()}
    for name in files:
        # The file of a column that became ragged after this was noted has another name, and the same bytes in front.
        with suppress(FileNotFoundError):
            if not (folder / name).exists():
                os.rename(folder / f"{name.removesuffix('.npy')}.values.npy", folder / name)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    opened: dict[str, NpyWriter] = {}
    try:
        for name, grown in files.items():
            opened[name] = NpyWriter.resume(folder / name, grown, writer.pool)
        part = PartWriter(Place(folder, "", writer.pool, opened), layout, None)
        if [file.path.name for file in part.columns.files()] != list(files):
            raise DamageError(f"the files in {folder} are not those of the columns {layout}")
    except BaseException:
        for file in opened.values():
            file.close()
        raise
    part.length, part.weight, part.made = known["length"], known["weight"], _made(known)
    if part.made is not None:
        part.close()
    return part


def _grown(told: Mapping[str, Any]) -> Grown:
    dtype = np.lib.format.descr_to_dtype(ast.literal_eval(told["dtype"]))
    behind = [bytes.fromhex(digest) for digest in told["behind"]]
    return Grown(told["rows"], told["size"], told["header"], dtype, tuple(told["item"]), behind)
