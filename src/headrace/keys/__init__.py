"""What a cache key is made of: everything that decides what the records of a chain are, and nothing else."""

from headrace.keys.chain import key_of
from headrace.keys.differences import explain, nearest
from headrace.keys.key import Field, Key, Part

__all__ = ["Field", "Key", "Part", "explain", "key_of", "nearest"]
