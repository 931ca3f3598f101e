"""The loader in real trainers: Lightning and Accelerate, their checkpoints included."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace import Dataset
from headrace.feeds.torch import Loader

torch: Any = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]  # the frameworks' own

STEPS = 3
Seen = list[tuple[int, int, list[int]]]


def loader(**settings: Any) -> Loader:
    ds = Dataset(x=np.arange(20, dtype=np.float32).reshape(10, 2), y=np.arange(10), name=list("abcdefghij"))
    return Loader(ds.shuffle(seed=0).batch(4).stream(), **settings)


def expected(epochs: int) -> Seen:
    one = loader()
    return [(epoch, step, batch["y"].tolist()) for epoch in range(epochs) for step, batch in enumerate(one)]


def fit(folder: Path, epochs: int = 3, checkpoint: Path | None = None, data: Any = None, **when: Any) -> Seen:
    """Train by Lightning and return epoch, step and records of each step."""
    lightning: Any = pytest.importorskip("lightning.pytorch")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    seen: Seen = []

    class Model(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, step: int) -> Any:
            assert isinstance(batch["x"], torch.Tensor)
            seen.append((self.current_epoch, step, batch["y"].tolist()))
            return self.layer(batch["x"]).square().mean()

        def validation_step(self, batch: Any, step: int) -> None:
            assert len(batch["y"])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1e-3)

    save = lightning.callbacks.ModelCheckpoint(folder, save_top_k=-1, filename="{step}", **when)
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=[save], default_root_dir=folder, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Model(), loader() if data is None else data, loader(), ckpt_path=checkpoint)
    return seen


@pytest.mark.parametrize("when", [{"every_n_train_steps": 1}, {"every_n_epochs": 1}], ids=str)
def test_lightning_trains_and_goes_on_exactly_from_each_of_its_checkpoints(tmp_path: Path, when: Any) -> None:
    assert fit(tmp_path / "whole", **when) == expected(3)
    checkpoints = sorted((tmp_path / "whole").glob("*.ckpt"))
    assert len(checkpoints) == (9 if "every_n_train_steps" in when else 3)
    for checkpoint in checkpoints[:-1]:
        step = int(checkpoint.stem.removeprefix("step="))
        assert fit(tmp_path / "rest", checkpoint=checkpoint, **when) == expected(3)[step:], checkpoint.stem


def test_lightning_takes_a_loader_without_a_length(tmp_path: Path) -> None:
    ds = Dataset(x=np.arange(20, dtype=np.float32).reshape(10, 2), y=np.arange(10)).shuffle(seed=0)
    batches = ds.stream().filter(lambda record: record["y"] != 5).batch(4)
    seen = fit(tmp_path, epochs=2, data=Loader(batches))
    assert [records for _, _, records in seen] == [
        batch["y"].tolist() for epoch in range(2) for batch in Loader_at(batches, epoch)
    ]


def Loader_at(stream: Any, epoch: int) -> Loader:
    one = Loader(stream)
    one.set_epoch(epoch)
    return one


def test_accelerate_takes_it_and_saves_and_loads_its_place(tmp_path: Path) -> None:
    accelerate: Any = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    model, data = accelerator.prepare(torch.nn.Linear(2, 1), loader(device=accelerator.device))
    accelerator.register_for_checkpointing(data)
    list(data)
    cut = random.Random(0).randrange(1, STEPS)
    for step, batch in enumerate(data):
        accelerator.backward(model(batch["x"]).sum())
        if step + 1 == cut:
            accelerator.save_state(str(tmp_path))
            break
    rest = [batch["y"].tolist() for batch in data]
    assert rest == [records for _, _, records in expected(3)[2 * STEPS :]]
    accelerator.load_state(str(tmp_path))
    assert data.epoch == 1
    assert [batch["y"].tolist() for batch in data] == [records for _, _, records in expected(2)[STEPS + cut :]]
