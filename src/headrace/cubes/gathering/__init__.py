"""Patches out of arrays and chunks, into a batch."""
