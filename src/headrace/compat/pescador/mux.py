"""Many streams into one."""

from headrace.compat.pescador.base import BaseMux
from headrace.compat.pescador.chain import ChainMux
from headrace.compat.pescador.robin import RoundRobinMux
from headrace.compat.pescador.shuffled import ShuffledMux
from headrace.compat.pescador.stochastic import StochasticMux

__all__ = ["BaseMux", "ChainMux", "RoundRobinMux", "ShuffledMux", "StochasticMux"]
