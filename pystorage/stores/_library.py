"""Packages that only some stores need: loaded when such a store is made."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pystorage.errors import MissingDependencyError


def library(module: str, user: str, extra: str) -> Any:
    """Give a module of a package that need not be installed.

    Args:
        module: Its name.
        user: Who needs it, for the message.
        extra: The extra that installs it.

    Returns:
        The module.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{user} needs the package {package}: pip install 'pystorage[{extra}]'"
        ) from error
