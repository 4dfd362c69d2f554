"""Metadata is in setup.cfg; this file is where compiled parts are declared."""

from __future__ import annotations

from setuptools import setup

setup()
