"""Metadata is in setup.cfg; this file is where compiled parts are declared."""

from __future__ import annotations

import sys

from setuptools import Extension, setup

HEADERS = [
    "_table",
    "_order",
    "_sieve",
    "_s3fifo",
    "_sketch",
    "_tinylfu",
    "_policy",
    "_deadlines",
    "_shrink",
    "_callbacks",
    "_operations",
    "_plain",
    "_bulk",
    "_methods",
    "_call",
    "_function",
    "_front",
]

ENGINE = Extension(
    "pystorage.engine._engine",
    sources=["pystorage/engine/_engine.c"],
    depends=[f"pystorage/engine/{name}.h" for name in HEADERS],
    extra_compile_args=[] if sys.platform == "win32" else ["-std=c11", "-O3", "-Wall", "-Wextra"],
    optional=True,  # without a compiler the twin in Python does the same
)

QUICK = Extension(
    "pystorage.stores._quick",
    sources=["pystorage/stores/_quick.c"],
    extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra"],
    optional=True,  # without it a file is read step by step
)

setup(ext_modules=[ENGINE] if sys.platform == "win32" else [ENGINE, QUICK])
