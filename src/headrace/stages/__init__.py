"""Steps of the sequential layer: what flows in, changed, comes out; one file an idea.

Each is a frozen description beside its cursor, the only thing that moves (:mod:`headrace.core.flow`).
"""
