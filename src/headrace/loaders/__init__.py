"""Existing loaders of other libraries, as records: a file for each kind, which imports nothing to find out what it is.

Who has an object of a library has loaded the library; so what is asked here are the names of its classes.
"""
