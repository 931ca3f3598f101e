"""Print how long ``import headrace`` and its first use take beyond NumPy's own import; the promise is 50 ms."""

from __future__ import annotations

import statistics
import subprocess
import sys

CASES = {
    "import numpy": "import numpy",
    "import headrace": "import numpy, headrace",
    "all public names": "import numpy\nfrom headrace import *",
}


def milliseconds(code: str, times: int = 9) -> float:
    """Return the median time that a fresh interpreter takes to run the code, start-up taken off by itself."""
    clock = f"import time; began = time.perf_counter()\n{code}\nprint(time.perf_counter() - began)"
    runs = [
        subprocess.run([sys.executable, "-c", clock], capture_output=True, text=True, check=True) for _ in range(times)
    ]
    return 1000 * statistics.median(float(run.stdout) for run in runs)


if __name__ == "__main__":
    base = milliseconds(CASES["import numpy"])
    print(f"import numpy: {base:.0f} ms")
    for name in ("import headrace", "all public names"):
        print(f"{name}: {milliseconds(CASES[name]) - base:.1f} ms more")
