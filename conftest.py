"""Which examples in docstrings are left out where PyTorch or TensorFlow is not installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = (
    [] if find_spec("torch") else ["src/headrace/feeds/loader.py", "src/headrace/compat/xbatcher/loaders/torch.py"]
)
collect_ignore += [] if find_spec("tensorflow") else ["src/headrace/compat/xbatcher/loaders/keras.py"]
