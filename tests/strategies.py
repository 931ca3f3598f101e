"""Random chains of a Dataset, each beside a model of it in plain lists, drawn by Hypothesis.

Records are ``{"id": source record, "x": value}``. A model says for each epoch which records there are, in order; it
knows the library's permutations and schedules and nothing of its addresses, nodes or buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import headrace as hr
from headrace import Dataset, OrderError
from headrace.core.address import At
from headrace.core.permutation import explicit, keyed
from headrace.core.schedule import Mixture
from headrace.core.seeds import KeyedGenerator, key

Record = dict[str, int]
Epochs = Callable[[int], list[Record]]

MOST = 30  # records in an epoch that a repeat may make


@dataclass(frozen=True)
class Op:
    """One step.

    Args:
        kind: ``map``, ``noise`` (a random map), ``pick`` (of columns), ``shuffle``, ``still shuffle``, ``repeat``,
            ``shard`` or ``set``.
        apply: What it makes of the records below.
        function: Of a map: what it makes of a value.
    """

    kind: str
    apply: Callable[[Epochs], Epochs]
    function: Callable[[int], int] | None = None


@dataclass(frozen=True)
class Model:
    """A chain in plain lists.

    Args:
        base: The records of a source, or of several chains that were joined.
        universe: How many source records there are.
        ops: The steps, from below.
        parts: What was joined.
        moves: Whether another record lies at a position of the base in another epoch.
        concat: Whether the parts stand one after the other.
    """

    base: Epochs
    universe: int
    ops: tuple[Op, ...] = ()
    parts: tuple[Model, ...] = ()
    moves: bool = False
    concat: bool = False

    def at(self, epoch: int, upto: int | None = None) -> list[Record]:
        records = self.base
        for op in self.ops[:upto]:
            records = op.apply(records)
        return records(epoch)

    def count(self, *kinds: str) -> int:
        return sum(op.kind in kinds for op in self.ops) + sum(part.count(*kinds) for part in self.parts)

    def still_at(self, upto: int) -> bool:
        return not self.moves and all(op.kind != "shuffle" for op in self.ops[:upto])

    @property
    def still(self) -> bool:
        return self.still_at(len(self.ops))

    def place(self, through_repeat: bool = True) -> int | None:
        """Return below which steps a decision about the set of records is made; None where it is refused."""
        upto = len(self.ops)
        while True:
            above = self.ops[upto - 1].kind if upto else "base"
            if above == "repeat" and through_repeat:
                upto -= 1
            elif self.still_at(upto):
                return upto
            elif above in ("map", "noise", "pick", "shuffle", "still shuffle"):
                upto -= 1
            else:
                return None

    def then(self, op: Op, upto: int | None = None) -> Model:
        """Return the chain with a step added, at its end or at a place."""
        upto = len(self.ops) if upto is None else upto
        return replace(self, ops=(*self.ops[:upto], op, *self.ops[upto:]))

    def then_below_a_share(self, op: Op) -> Model:
        """Return the chain with a row-wise step added, which goes below a share that stands on top."""
        return self.then(op, len(self.ops) - (bool(self.ops) and self.ops[-1].kind == "shard"))

    def shown(self, upto: int) -> Callable[[int], int]:
        """Return what the maps above a place make of a value there."""
        functions = [op.function for op in self.ops[upto:] if op.function is not None]

        def all_of(x: int) -> int:
            for function in functions:
                x = function(x)
            return x

        return all_of


@dataclass(frozen=True)
class Chain:
    """A Dataset and what it should be."""

    dataset: Dataset
    model: Model
    steps: list[str] = field(default_factory=list)

    def step(self, says: str, dataset: Dataset, model: Model) -> Chain:
        return Chain(dataset, model, [*self.steps, says])

    def __repr__(self) -> str:
        return f"Chain({' -> '.join(self.steps)})"


# What steps do to lists


def on_epoch(change: Callable[[list[Record]], list[Record]]) -> Callable[[Epochs], Epochs]:
    return lambda below: lambda epoch: change(below(epoch))


def shuffled(seed: int, place: int, reshuffle: bool, method: str) -> Callable[[Epochs], Epochs]:
    def apply(below: Epochs) -> Epochs:
        def at(epoch: int) -> list[Record]:
            records = below(epoch)
            drawn = epoch if reshuffle else 0
            if method == "explicit":
                order = explicit(key(seed, "shuffle", place), drawn, len(records))
            else:
                order = keyed(key(seed, "shuffle", place), drawn, len(records)).forward(np.arange(len(records)))
            return [records[index] for index in order]

        return at

    return apply


def repeated(times: int) -> Callable[[Epochs], Epochs]:
    return lambda below: lambda epoch: [record for round in range(times) for record in below(epoch * times + round)]


def noised(seed: int, place: int) -> Callable[[Epochs], Epochs]:
    rngs = KeyedGenerator(seed, "map", place)

    def apply(below: Epochs) -> Epochs:
        return lambda epoch: [noisy(record, rngs.at(epoch, position)) for position, record in enumerate(below(epoch))]

    return apply


def mapped(function: Callable[[int], int]) -> Callable[[Epochs], Epochs]:
    return on_epoch(lambda records: [{"id": record["id"], "x": function(record["x"])} for record in records])


def noisy(record: Record, rng: Any) -> Record:
    return {"id": record["id"], "x": record["x"] + int(rng.integers(1000))}


# Sources


class Columns:
    """A source without its columns at hand."""

    def __init__(self, batch: hr.Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return len(self.batch)

    def read(self, indices: Any) -> hr.Batch:
        return self.batch.take(indices)


@st.composite
def sources(draw: st.DrawFn, start: int = 0) -> Chain:
    """Return a Dataset of up to 9 records, numbered from ``start``, of any kind."""
    values = draw(st.lists(st.integers(0, 5), min_size=draw(st.sampled_from([0, 2, 3, 5])), max_size=9))
    ids = list(range(start, start + len(values)))
    records = [{"id": number, "x": value} for number, value in zip(ids, values, strict=True)]
    kind = draw(st.sampled_from(["columns", "rows", "source", "frame"] if values else ["columns", "source"]))
    columns = {"id": np.array(ids, np.int64), "x": np.array(values, np.int64)}
    dataset = {
        "columns": lambda: Dataset(columns),
        "rows": lambda: Dataset(records),
        "source": lambda: Dataset(Columns(hr.Batch(columns))),
        "frame": lambda: Dataset(id=ids, x=values),
    }[kind]()
    return Chain(dataset, Model(lambda epoch: [dict(record) for record in records], len(values)), [f"{kind} {values}"])


# Steps


def _map(draw: st.DrawFn, chain: Chain) -> Chain:
    by = draw(st.integers(1, 3))
    batches = draw(st.booleans())
    name = "map_batches" if batches else "map"

    def function(x: int) -> int:
        return x * 2 + by

    model = chain.model.then_below_a_share(Op("map", mapped(function), function))
    if batches:
        dataset = chain.dataset.map_batches(
            lambda batch: {"id": batch["id"], "x": batch["x"] * 2 + by} if len(batch) else batch
        )
    else:
        dataset = chain.dataset.map(lambda record: {"id": record["id"], "x": record["x"] * 2 + by})
    return chain.step(name, dataset, model)


def _noise(draw: st.DrawFn, chain: Chain) -> Chain:
    seed = draw(st.integers(0, 2))
    op = Op("noise", noised(seed, chain.model.count("map", "noise")))
    return chain.step(f"noise({seed})", chain.dataset.map(noisy, seed=seed), chain.model.then_below_a_share(op))


def _shuffle(draw: st.DrawFn, chain: Chain) -> Chain:
    seed, reshuffle = draw(st.integers(0, 2)), draw(st.booleans())
    method: Any = draw(st.sampled_from(["explicit", "explicit", "keyed"]))
    place = chain.model.count("shuffle", "still shuffle")
    op = Op("shuffle" if reshuffle else "still shuffle", shuffled(seed, place, reshuffle, method))
    dataset = chain.dataset.shuffle(seed, reshuffle, method)
    return chain.step(f"shuffle({seed}, {reshuffle}, {method})", dataset, chain.model.then(op))


def _pick(draw: st.DrawFn, chain: Chain) -> Chain:
    kind = draw(st.sampled_from(["select", "rename", "drop"]))
    if kind == "select":
        dataset = chain.dataset.select("x", "id")
    elif kind == "rename":
        dataset = chain.dataset.rename(x="y").rename({"y": "x"})
    else:
        dataset = chain.dataset.map_batches(_with_more).drop("more")
    model = chain.model.then_below_a_share(Op("map", lambda below: below)) if kind == "drop" else chain.model
    return chain.step(kind, dataset, model.then_below_a_share(Op("pick", lambda below: below)))


def _with_more(batch: hr.Batch) -> hr.Batch:
    return batch.with_columns(more=batch["x"])


def _repeat(draw: st.DrawFn, chain: Chain) -> Chain:
    times = draw(st.integers(0 if draw(st.integers(0, 9)) == 0 else 1, 3))
    if len(chain.model.at(0)) * times > MOST:
        return chain
    return chain.step(f"repeat({times})", chain.dataset.repeat(times), chain.model.then(Op("repeat", repeated(times))))


def _cut(draw: st.DrawFn, chain: Chain) -> Chain:
    n = draw(st.integers(0, 12))
    if draw(st.booleans()):
        op = Op("set", on_epoch(lambda records: records[:n]))
        return chain.step(f"take({n})", chain.dataset.take(n), chain.model.then(op))
    op = Op("set", on_epoch(lambda records: records[n:]))
    return chain.step(f"skip({n})", chain.dataset.skip(n), chain.model.then(op))


def _slice(draw: st.DrawFn, chain: Chain) -> Chain:
    ends = st.none() | st.integers(-12, 12)
    chosen = slice(draw(ends), draw(ends), draw(st.none() | st.integers(-3, 3).filter(bool)))
    op = Op("set", on_epoch(lambda records: records[chosen]))
    return chain.step(f"[{chosen}]", chain.dataset[chosen], chain.model.then(op))


def _choose(draw: st.DrawFn, chain: Chain) -> Chain:
    length = len(chain.model.at(0))
    if draw(st.booleans()):
        mask = draw(st.lists(st.booleans(), min_size=length, max_size=length))
        op = Op("set", on_epoch(lambda records: [r for r, kept in zip(records, mask, strict=True) if kept]))
        return chain.step(f"[{mask}]", chain.dataset[np.array(mask, bool)], chain.model.then(op))
    places = draw(st.lists(st.integers(-length, length - 1), max_size=6)) if length else []
    op = Op("set", on_epoch(lambda records: [records[place] for place in places]))
    return chain.step(f"[{places}]", chain.dataset[places], chain.model.then(op))


def _shard(draw: st.DrawFn, chain: Chain) -> Chain:
    count = draw(st.integers(1, 3))
    index, remainder = draw(st.integers(0, count - 1)), draw(st.sampled_from(["uneven", "drop"]))

    def share(records: list[Record]) -> list[Record]:
        whole = records if remainder == "uneven" else records[: len(records) // count * count]
        return whole[index::count]

    dataset = chain.dataset.shard(index, count, remainder)  # type: ignore[arg-type]
    return chain.step(f"shard({index}, {count}, {remainder})", dataset, chain.model.then(Op("shard", on_epoch(share))))


def refused(chain: Chain, call: Callable[[], Any]) -> Chain:
    """Make sure that a step is refused; the chain goes on without it."""
    with pytest.raises(OrderError):
        call()
    return chain


def _filter(draw: st.DrawFn, chain: Chain) -> Chain:
    rest = draw(st.integers(0, 2))
    batches = draw(st.booleans())

    def call() -> Dataset:
        if batches:
            return chain.dataset.filter(lambda batch: batch["x"] % 3 != rest, batches=True)
        return chain.dataset.filter(lambda record: record["x"] % 3 != rest)

    model = filtered(chain.model, rest)
    return refused(chain, call) if model is None else chain.step(f"filter({rest}, {batches})", call(), model)


def filtered(model: Model, rest: int) -> Model | None:
    """Return a model whose records, as they are shown on top, do not leave a rest; None where that is refused."""
    if model.concat and not model.ops and model.moves:
        parts = [filtered(part, rest) for part in model.parts]
        return None if any(part is None for part in parts) else joined(*(part for part in parts if part is not None))
    place = model.place()
    if place is None or model.count("noise"):
        return None
    shown = model.shown(place)
    return model.then(Op("set", on_epoch(lambda rows: [row for row in rows if shown(row["x"]) % 3 != rest])), place)


def _sort(draw: st.DrawFn, chain: Chain) -> Chain:
    descending, by_function = draw(st.booleans()), draw(st.booleans())
    by: Any = (lambda record: record["x"]) if by_function else "x"
    place = chain.model.place(through_repeat=False)
    if place is None or chain.model.count("noise"):
        return refused(chain, lambda: chain.dataset.sort_by(by, descending))
    maps = tuple(op for op in chain.model.ops[place:] if op.kind == "map")
    op = Op("set", on_epoch(lambda records: sorted(records, key=lambda row: row["x"], reverse=descending)))
    model = replace(chain.model, ops=(*chain.model.ops[:place], *maps, op))
    return chain.step(f"sort({descending})", chain.dataset.sort_by(by, descending), model)


def chosen(model: Model, place: int, indices: list[int]) -> Model:
    return model.then(Op("set", on_epoch(lambda records: [records[index] for index in indices])), place)


def _group(draw: st.DrawFn, chain: Chain) -> Chain:
    place = chain.model.place()
    if place is None or chain.model.count("noise"):
        return refused(chain, lambda: chain.dataset.group_by("x"))
    shown = chain.model.shown(place)
    values = [shown(record["x"]) for record in chain.model.at(0, place)]
    groups = chain.dataset.group_by("x")
    assert list(groups) == list(dict.fromkeys(values))
    if not groups:
        return chain
    name = draw(st.sampled_from(list(groups)))
    members = [at for at, value in enumerate(values) if value == name]
    return chain.step(f"group({name})", groups[name], chosen(chain.model, place, members))


def _split(draw: st.DrawFn, chain: Chain) -> Chain:
    seed = draw(st.none() | st.integers(0, 2))

    def call() -> list[Dataset]:
        return list(chain.dataset.split(a=0.6, b=0.4, seed=seed))

    place = chain.model.place()
    ids = [] if place is None else [record["id"] for record in chain.model.at(0, place)]
    if place is not None and len(set(ids)) < len(ids) and chain.model.count("pick"):
        with suppress(OrderError):  # a choice of columns may have sunk below a repeat, which a split goes through
            one, other = ({record["id"] for record in half} for half in call())
            assert not one & other
        return chain
    if place is None or len(set(ids)) < len(ids):
        return refused(chain, call)
    part = draw(st.integers(0, 1))
    indices = list(list(Dataset(range(len(ids))).split(a=0.6, b=0.4, seed=seed))[part])
    return chain.step(f"split({seed})[{part}]", call()[part], chosen(chain.model, place, indices))


def _sample(draw: st.DrawFn, chain: Chain) -> Chain:
    place = chain.model.place(through_repeat=False)
    if place is None:
        return refused(chain, lambda: chain.dataset.sample(0, seed=0))
    length = len(chain.model.at(0, place))
    replace_, seed = draw(st.booleans()), draw(st.integers(0, 3))
    n = draw(st.integers(0, min(length, 8))) if length else 0
    indices = list(Dataset(range(length)).sample(n, seed=seed, replace=replace_))
    dataset = chain.dataset.sample(n, seed=seed, replace=replace_)
    return chain.step(f"sample({n}, {seed}, {replace_})", dataset, chosen(chain.model, place, indices))


STEPS: list[Callable[[st.DrawFn, Chain], Chain]] = [
    _map, _noise, _pick, _shuffle, _shuffle, _repeat, _cut, _slice, _choose, _shard, _filter, _sort, _group, _split,
    _sample
]  # fmt: skip


# Several chains as one


def joined(*parts: Model) -> Model:
    def base(epoch: int) -> list[Record]:
        return [record for part in parts for record in part.at(epoch)]

    moves = not all(part.still for part in parts)
    return Model(base, sum(part.universe for part in parts), (), parts, moves, concat=True)


def _mixed(parts: list[Model], mixture: Mixture) -> Model:
    def base(epoch: int) -> list[Record]:
        draws = mixture(At(np.arange(mixture.length or 0), epoch))
        return [parts[source].at(at)[place] for source, place, at in zip(*map(np.ndarray.tolist, draws), strict=True)]

    moves = mixture.stop == "longest" or not all(part.still for part in parts)
    return Model(base, sum(part.universe for part in parts), (), tuple(parts), moves)


def _zipped(first: Model, second: Model) -> Model:
    def base(epoch: int) -> list[Record]:
        return [{"id": a["id"], "x": a["x"] * 3 + b["x"]} for a, b in zip(first.at(epoch), second.at(epoch))]

    # the map that makes one mapping of the two counts as a step of its own
    def pairs(epoch: int) -> list[Record]:
        return base(epoch)

    moves = not (first.still and second.still)
    model = Model(pairs, first.universe, (), (first, second), moves)
    return model.then(Op("map", lambda below: below))


def _as_one(pair: Any) -> Record:
    return {"id": pair[0]["id"], "x": pair[0]["x"] * 3 + pair[1]["x"]}


@st.composite
def joins(draw: st.DrawFn, start: int) -> Chain:
    """Return two short chains as one."""
    first = draw(chains(most=3, depth=0, start=start))
    kind = draw(st.sampled_from(["concat", "mix", "zip"]))
    second = draw(chains(most=3, depth=0, start=start + first.model.universe))
    steps = [f"{kind}[{first!r} | {second!r}]"]
    both = [first.dataset, second.dataset]
    if kind == "concat":
        return Chain(hr.concat(both), joined(first.model, second.model), steps)
    if kind == "zip":
        return Chain(hr.zip(*both).map(_as_one), _zipped(first.model, second.model), steps)
    weights = draw(st.sampled_from([(1.0, 1.0), (2.0, 1.0), (1.0, 3.0)]))
    stop = draw(st.sampled_from(["first", "longest"]))
    lengths = (len(first.model.at(0)), len(second.model.at(0)))
    if stop == "longest" and 0 in lengths:
        stop = "first"
    mixture = Mixture(lengths, weights, stop)  # type: ignore[arg-type]
    if (mixture.length or 0) > MOST:
        return first
    dataset = hr.mix(both, weights, stop)  # type: ignore[call-overload]
    return Chain(dataset, _mixed([first.model, second.model], mixture), [f"{weights} {stop} {steps[0]}"])


@st.composite
def chains(draw: st.DrawFn, most: int = 6, depth: int = 1, start: int = 0) -> Chain:
    """Return a chain of up to ``most`` steps over a source, or over two chains that are joined."""
    chain = draw(joins(start) if depth and draw(st.integers(0, 2)) == 0 else sources(start))
    for _ in range(draw(st.integers(0, most))):
        chain = draw(st.sampled_from(STEPS))(draw, chain)
    return chain
