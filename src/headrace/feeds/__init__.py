"""Batches into frameworks, and frameworks' datasets into sources and streams."""
