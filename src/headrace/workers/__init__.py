"""Where work runs: here, in threads, in processes over shared memory, on any executor; always with the same result."""
