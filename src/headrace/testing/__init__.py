"""Conformance kits: what every Source, Order and Stage must do; whoever writes one inherits its tests."""
