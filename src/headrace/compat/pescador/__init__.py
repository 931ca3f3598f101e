"""The names and the behaviour of pescador 3.0, for moving over with one changed import.

``import headrace.compat.pescador as pescador`` runs what was written for it. The same ``random_state`` draws the same
sequence. What flows is a :class:`headrace.Stream` too, so ``.map``, ``.batch``, ``.background`` and the rest can be
written behind any Streamer or mux.

>>> a, b = Streamer("ab"), Streamer("cde")
>>> "".join(RoundRobinMux([a, b], mode="cycle").iterate(max_iter=7))
'acbdeac'
>>> Streamer(range(5)).batch(2).list()
[array([0, 1]), array([2, 3]), array([4])]

It differs where a program cannot rely on what there was:

* ``ZMQStreamer`` opens no port. Its errors arrive, its process's death is an error, arrays are of any dtype.
* When an iteration ends, is left or fails, the generators below are closed then, and with them their files.
* What goes round for ever without an item ends: a ``cycle`` of nothing raises, a mux of nothing is at its end.
* Weights may be integers; the array that was handed over is left as it is; negative ones are refused at once.
"""

from headrace.compat.pescador import core, exceptions, maps, mux, util, zmq_stream
from headrace.compat.pescador.core import Streamer, streamable
from headrace.compat.pescador.exceptions import DataError, PescadorError
from headrace.compat.pescador.maps import buffer_stream, cache, keras_tuples, tuples
from headrace.compat.pescador.mux import BaseMux, ChainMux, RoundRobinMux, ShuffledMux, StochasticMux
from headrace.compat.pescador.zmq_stream import ZMQStreamer

__version__ = "3.0.0"  # whose names and behaviour these are

__all__ = [
    "BaseMux",
    "ChainMux",
    "DataError",
    "PescadorError",
    "RoundRobinMux",
    "ShuffledMux",
    "StochasticMux",
    "Streamer",
    "ZMQStreamer",
    "buffer_stream",
    "cache",
    "core",
    "exceptions",
    "keras_tuples",
    "maps",
    "mux",
    "streamable",
    "tuples",
    "util",
    "zmq_stream",
]
