"""Headrace's own figures beside throughput: latency, writing, size, memory, import; each in fresh processes."""
