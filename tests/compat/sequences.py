"""What is drawn with one seed: programs, and the letters that pescador 3.0.0 itself gave for them.

Made by running each on pescador, after ``numpy.random.seed(5)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Program = Callable[[Any], Iterator[str]]


def letters(text: str) -> Iterator[str]:
    yield from text


def drawn(text: str) -> Iterator[str]:
    """Give random letters for ever, from the state that all of NumPy shares."""
    while True:
        yield text[np.random.randint(len(text))]


def stochastic(p: Any, texts: str = "abcde fgh i jklmnop", **settings: Any) -> Any:
    settings = {"n_active": 3, "rate": 3, "random_state": 7, **settings}
    return p.StochasticMux([p.Streamer(letters, text) for text in texts.split()], **settings)


def program(**settings: Any) -> Program:
    return lambda p: stochastic(p, **settings).iterate(40)


def shuffled(weights: Any, random_state: Any) -> Program:
    return lambda p: p.ShuffledMux(["abc", p.Streamer(letters, "de"), [], "f"], weights, random_state).iterate(40)


def nested(p: Any) -> Iterator[str]:
    inner = [stochastic(p, random_state=1), p.ShuffledMux(["uv", "wx"], random_state=2)]
    tree: Iterator[str] = p.StochasticMux(inner, 1, rate=5, dist="poisson", random_state=3).iterate(40)
    return tree


def shared_state(p: Any) -> Iterator[str]:
    streams = [p.Streamer(drawn, text) for text in ("abc", "def", "ghi")]
    mux: Iterator[str] = p.StochasticMux(streams, 2, rate=4).iterate(40)
    return mux


PROGRAMS: dict[str, Program] = {
    **{
        f"{mode} {dist}": program(mode=mode, dist=dist, weights=weights)
        for mode, weights in (("with_replacement", [1.0, 2.0, 3.0, 4.0]), ("single_active", None), ("exhaustive", None))
        for dist in ("constant", "binomial", "poisson")
    },
    "no rate": program(rate=None),
    "a rate that is no whole number": program(rate=2.5),
    "one active": program(n_active=1, rate=4, mode="single_active"),
    "fewer weights than active": program(weights=[1.0, 0.0, 0.0, 1.0], mode="exhaustive"),
    "a weight of nearly all": program(weights=[1e9, 1.0, 1.0, 1.0], mode="single_active"),
    "a random state": lambda p: stochastic(p, random_state=np.random.RandomState(11)).iterate(40),
    "an active copy that goes on": lambda p: _gone_on(stochastic(p)),
    "shuffled": shuffled(None, 4),
    "shuffled by weights": shuffled([5.0, 3.0, 1.0, 0.5], 4),
    "shuffled by the shared state": shuffled(None, None),
    "round robin": lambda p: p.RoundRobinMux(["abcd", "e", [], "fgh"]).iterate(),
    "round robin, cycled": lambda p: p.RoundRobinMux(["abcd", "e", "fgh"], "cycle").iterate(20),
    "round robin, permuted": lambda p: p.RoundRobinMux(["ab", "c", "def", "gh"], "permuted_cycle", 9).iterate(40),
    "chain": lambda p: p.ChainMux(["ab", [], "cde"]).iterate(),
    "chain, cycled": lambda p: p.ChainMux(["ab", [], "cde"], "cycle").iterate(13),
    "cache": lambda p: p.cache(iter("abcdefghijklmnop"), 4, 0.4, random_state=6),
    "cache by the shared state": lambda p: p.cache(p.Streamer("abcdefgh").iterate(), 3, 0.6),
    "a mux of muxes": nested,
    "streams that share the state with their mux": shared_state,
}


def _gone_on(mux: Any) -> Iterator[str]:
    with mux as active:
        for most in (3, 10, 20):
            yield from active.iterate(most)


LETTERS = {
    "with_replacement constant": "jiifkfglghhijklafbjgkclfhgfghhfjagkhljkb",
    "with_replacement binomial": "iijajkbklcljkjkfligfgihijjiklkajklmfjgkl",
    "with_replacement poisson": "iabifghjklmiafghcajklbmbccfghabiciabjjka",
    "single_active constant": "jifgkabhclfijghklaibfghjckiifliijklgahif",
    "single_active binomial": "fabgiicjikafglbifabjabkilfjkjkabcifgjhka",
    "single_active poisson": "afibgchdjabcdfikgifjkilmngiafbcdgehjiafg",
    "exhaustive constant": "jifgkabhcl",
    "exhaustive binomial": "fabgicjkl",
    "exhaustive poisson": "afibgchjkd",
    "no rate": "jiifgfhkghilmabnopcfjgklmnodpehiafghiijb",
    "a rate that is no whole number": "iabciaaibbcfgfghfhigfghifjigfhgjkkiafgbf",
    "one active": "jklmnojklmabcdefghfghabcdefghfghifghiabc",
    "fewer weights than active": "abcdejkl",
    "a weight of nearly all": "abcdijfgkiabcdjhkabcabcdeabababcdelfgjhk",
    "a random state": "faifabcighjklijkabcljkfgihjkljkjiklliabi",
    "an active copy that goes on": "iabciaaibbcfgfghfhigfghifjigfhgjk",
    "shuffled": "ffafbcdfaebcfdfaebfdecdedefadebdfecdefda",
    "shuffled by weights": "fdeafbcdabecafbdceabcdabceabdecabcdeabcd",
    "shuffled by the shared state": "afbdfecabfcdedabcabfcafbecdffaefdebcafde",
    "round robin": "aefbgchd",
    "round robin, cycled": "aefbgchdaefbgchdaefb",
    "round robin, permuted": "acdgbehfcgadhbefgadchbefacdgbehfgadchbef",
    "chain": "abcde",
    "chain, cycled": "abcdeabcdeabc",
    "cache": "abcdcaecefabgebbehieejklkmekmnmjnjnopjjpm",
    "cache by the shared state": "abccdedfgehe",
    "a mux of muxes": "uvwuvabfuvwuvuvwuabffgabffgghcabfuvwuvxu",
    "streams that share the state with their mux": "fabdbdcbeaacdcbafceddaceadddigedddgighhh",
}
