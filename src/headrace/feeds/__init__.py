"""Batches into frameworks, and frameworks' datasets into sources and streams."""

from __future__ import annotations

from headrace.feeds import torch as torch
