"""Print how long ``import headrace`` and its first use take beyond NumPy's own import; the promise is 50 ms."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

CASES = {
    "import numpy": "import numpy",
    "import headrace": "import numpy, headrace",
    "headrace.Dataset": "import numpy\nfrom headrace import Dataset",
    "all public names": "import numpy\nfrom headrace import *",
}


def milliseconds(code: str, times: int = 9) -> float:
    """Return the median time that a fresh interpreter, its modules compiled before, takes to run the code."""
    clock = f"import time; began = time.perf_counter()\n{code}\nprint(time.perf_counter() - began)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def once() -> float:
        done = subprocess.run(
            [sys.executable, "-c", clock], env=environment, capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    once()
    return 1000 * statistics.median(once() for _ in range(times))


if __name__ == "__main__":
    base = milliseconds(CASES.pop("import numpy"))
    print(f"import numpy: {base:.0f} ms")
    for name, code in CASES.items():
        print(f"{name}: {milliseconds(code) - base:.0f} ms more")
