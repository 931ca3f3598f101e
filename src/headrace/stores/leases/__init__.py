"""Who builds a version that is missing, so that many processes on many machines build it once.

``turns.py`` says what a turn is and how a version is built in one; ``local.py`` gives turns by locks of a folder,
``remote.py`` by leases on a back end, which lie there as ``generations.py`` tells.

Turns save work; they are not what keeps a store whole. A version appears by one conditional step, and of several who
take it the first one wins. So two builders at once, which no lease can rule out between machines that lose sight of
each other, do the same work twice and harm nothing.
"""
