"""Conformance kits: what every Source, Order, Stage and Backend must do; whoever writes one inherits its tests."""
