"""What ``import headrace`` adds to NumPy's own import; and what the first use of its main names adds to that."""

from __future__ import annotations

import json
import time

import numpy as np

start = time.perf_counter()
import headrace as hr  # noqa: E402

imported = time.perf_counter()
names = (hr.Dataset, hr.Store)
used = time.perf_counter()

if __name__ == "__main__":
    print(json.dumps({"import": imported - start, "names": used - imported, "numpy": np.__version__}))
