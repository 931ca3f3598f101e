"""``headrace demo``: train on real handwritten digits, be killed in the middle, and go on exactly where it was.

The same training runs twice from one store: once unbroken, and once in a child process that is killed with SIGKILL in
the middle of an epoch and resumed by another child from what it had saved last. Both must have seen the same records in
the same order, and must end with the same weights to the last bit.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.errors import HeadraceError, MissingExtraError
from headrace.dataset import Dataset
from headrace.store import Store

EPOCHS = 12
BATCH = 32  # records of each reader in a step
READERS = 2  # the training order is dealt out to so many, as on so many machines
_CHILD = "import sys; from headrace import demo; demo.train_child(sys.argv[1], sys.argv[2], float(sys.argv[3]))"
_PATIENCE = 60.0  # seconds to wait for a child before the demo gives up


@dataclass
class Training:
    """A training at one moment: all that a checkpoint holds."""

    model: Any
    state: dict[str, Any] | None = None
    seen: list[int] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write a checkpoint in one atomic step: data, model and log are of the same moment, or none of them is."""
        beside = path.with_suffix(".new")
        beside.write_bytes(pickle.dumps(self))
        os.replace(beside, path)


def digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits: ``image`` (8, 8) uint8, ``label`` and ``id`` int64."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError.of("scikit-learn", "demo", "the demo") from error
    raw = load_digits()
    return Dataset(image=raw.images.astype(np.uint8), label=raw.target.astype(np.int64), id=np.arange(len(raw.target)))


def speckled(record: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Make each pixel of a digit, in 0 to 16, darker or brighter by up to 2."""
    noise = rng.integers(-2, 3, record["image"].shape)
    return {**record, "image": np.clip(record["image"] + noise, 0, 16).astype(np.uint8)}


def new_model() -> Any:
    """Return an untrained linear classifier."""
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(loss="log_loss", alpha=1e-3, random_state=0)


def features(batch: Any) -> NDArray[np.float64]:
    """Return images as rows of pixels in 0 to 1, shape ``(n, 64)``."""
    pixels: NDArray[np.float64] = batch["image"].reshape(len(batch), 64) / 16.0
    return pixels


def train(
    data: Dataset, training: Training, checkpoint: Path | None = None, pace: float = 0.0, bar: bool = False
) -> None:
    """Train to the end, from wherever the training stands.

    Args:
        data: The training records.
        training: Where it stands; changed in place.
        checkpoint: Where to save after each step; None saves nothing.
        pace: Seconds to rest in a step, so that a kill can hit the middle.
        bar: Whether to show a progress bar.
    """
    order = data.shuffle(seed=0).map(speckled, seed=0)
    readers = []
    for reader in range(READERS):
        stream = order.shard(reader, READERS, remainder="drop").batch(BATCH).stream(epochs=EPOCHS)
        iterator = iter(stream.progress(desc="training") if bar and reader == 0 else stream)
        if training.state is not None:
            iterator.load_state_dict(training.state)  # the state is global: one serves all readers
        readers.append(iterator)
    for shares in zip(*readers, strict=True):
        step = Batch.concat(list(shares))
        training.model.partial_fit(features(step), step["label"], classes=np.arange(10))
        training.seen += step["id"].tolist()
        training.state = readers[-1].state_dict()
        if checkpoint is not None:
            training.save(checkpoint)
        time.sleep(pace)


def train_child(store: str, checkpoint: str, pace: float) -> None:
    """Train in a process of its own, from the checkpoint if there is one."""
    path = Path(checkpoint)
    training = pickle.loads(path.read_bytes()) if path.exists() else Training(new_model())
    train(parts(store)[0], training, path, pace)


def parts(store: str) -> tuple[Dataset, Dataset]:
    """Return training and test records out of the store."""
    train_part, test = Store(store).fetch("digits", "1.0").split(train=0.8, test=0.2, seed=0)
    return train_part, test


def run_killed(store: str, folder: Path) -> tuple[Training, str]:
    """Train in a child, kill it in the middle of an epoch, resume in another child; return how it ended, and where."""
    checkpoint = folder / "checkpoint"
    child = _start(store, checkpoint, pace=0.003)
    try:
        stopped = _kill_in_the_middle(child, checkpoint)
    finally:
        child.kill()
        child.communicate()
    second = _start(store, checkpoint, pace=0.0)
    _, complaint = second.communicate(timeout=_PATIENCE)
    if second.returncode != 0:
        raise HeadraceError(f"the resumed training failed: {complaint.decode().strip()}")
    ended: Training = pickle.loads(checkpoint.read_bytes())
    return ended, stopped


def _start(store: str, checkpoint: Path, pace: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _CHILD, store, str(checkpoint), str(pace)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _kill_in_the_middle(child: subprocess.Popen[bytes], checkpoint: Path) -> str:
    """Wait until the child stands at a step in the middle of an epoch drawn at random, and kill it there."""
    epoch = int(np.random.default_rng().integers(EPOCHS // 4, EPOCHS // 2))
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and child.poll() is None:
        state = pickle.loads(checkpoint.read_bytes()).state if checkpoint.exists() else None
        if state is not None and state["at"]["epoch"] >= epoch and 5 <= state["at"]["step"] <= 15:
            child.send_signal(signal.SIGKILL)
            child.wait()
            last = pickle.loads(checkpoint.read_bytes()).state["at"]
            return f"epoch {last['epoch']}, step {last['step']}"
        time.sleep(0.002)
    _, complaint = child.communicate() if child.poll() is not None else (b"", b"it took too long")
    raise HeadraceError(f"the child could not be killed in the middle of an epoch: {complaint.decode().strip()}")


def _same(left: Training, right: Training) -> bool:
    return (
        left.seen == right.seen
        and np.array_equal(left.model.coef_, right.model.coef_)
        and np.array_equal(left.model.intercept_, right.model.intercept_)
    )


def _bytes_in(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def run(store: str, folder: Path) -> bool:
    """Run the demo and print what it finds; return whether the broken run ended like the unbroken one."""
    source = digits()
    Store(store).cacheable("digits", "1.0")(lambda: source)()
    train_part, test = parts(store)
    raw = sum(column.nbytes for column in source.collect().values())
    print(f"digits 1.0: {len(source)} records in {store}, {_bytes_in(store):,} bytes ({raw:,} of them data)")

    unbroken = Training(new_model())
    began = time.perf_counter()
    train(train_part, unbroken, bar=True)
    seconds = time.perf_counter() - began
    batch = test.collect()
    accuracy = unbroken.model.score(features(batch), batch["label"])
    size = len(json.dumps(unbroken.state))
    rate = len(unbroken.seen) / seconds
    print(f"unbroken run: {len(unbroken.seen):,} records in {EPOCHS} epochs, {rate:,.0f} records/s")

    broken, where = run_killed(store, folder)
    print(f"second run: killed with SIGKILL at {where}; resumed from its last state ({size} bytes of JSON)")
    print(f"accuracy on {len(test)} test records: {accuracy:.3f}")
    identical = _same(unbroken, broken)
    if identical:
        print(
            f"identical: ids of all {len(broken.seen):,} records seen, in order, and the final weights to the last bit"
        )
    else:
        differs = next((k for k, pair in enumerate(zip(unbroken.seen, broken.seen)) if pair[0] != pair[1]), None)
        lengths = f"{len(unbroken.seen)} and {len(broken.seen)} records seen"
        print(f"NOT identical: the runs differ, first at record {differs} ({lengths})")
    return identical


def main(store: str | None = None) -> int:
    """Run the demo in a store, by default in a folder that is removed at the end; return an exit code."""
    with tempfile.TemporaryDirectory(prefix="headrace-demo-") as folder:
        return 0 if run(store or str(Path(folder) / "store"), Path(folder)) else 1
