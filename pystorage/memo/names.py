"""The names by which functions and classes are known in every process."""

from __future__ import annotations

import os.path
import sys
from collections.abc import Mapping
from hashlib import blake2b

# multiprocessing runs the script of its parent once more, under the second name.
_SCRIPTS = ("__main__", "__mp_main__")


def module_label(module: str, namespace: Mapping[str, object]) -> str:
    """Give the name of a module, also of one that runs as a script.

    Every script is called ``__main__``, so that two of them would share what they store. One that was
    started with ``python -m`` has its real name; one that was started as a file is told apart by the path
    of that file, so that it keeps its name as long as it stays where it is.

    Args:
        module: The name that its functions and classes carry.
        namespace: Its globals.

    Returns:
        The name; ``__main__`` where a script has no file, as in a notebook.

    Raises:
        Nothing.
    """
    if module not in _SCRIPTS:
        return module
    name = getattr(namespace.get("__spec__"), "name", None)
    if isinstance(name, str) and name not in _SCRIPTS:
        return name
    file = namespace.get("__file__")
    if not isinstance(file, str):
        return "__main__"
    path = os.path.abspath(file)
    stem = os.path.splitext(os.path.basename(path))[0]
    return f"__main__.{stem}_{blake2b(path.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


def label(value: object) -> str | None:
    """Give the full name of a class or function.

    Args:
        value: Anything.

    Returns:
        ``module:qualified name``, or None where it has no name.

    Raises:
        Nothing.
    """
    module, qualname = _own_name(value)
    if module is None or qualname is None:
        return None
    return f"{module_label(module, vars(sys.modules[module]) if module in sys.modules else {})}:{qualname}"


def is_importable(value: object) -> bool:
    """Tell whether importing a class or function by its name gives this very one.

    Args:
        value: Anything.

    Returns:
        True where another process finds it too. False for lambdas, for what is made inside a function, and
        for what has been replaced under its name.

    Raises:
        Nothing.
    """
    module, qualname = _own_name(value)
    if module is None or qualname is None:
        return False
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is value


def _own_name(value: object) -> tuple[str | None, str | None]:
    qualname = getattr(value, "__qualname__", None)
    # A method of a built-in class, such as str.upper, knows its class and no module.
    module = getattr(value, "__module__", None) or getattr(
        getattr(value, "__objclass__", None), "__module__", None
    )
    return module if isinstance(module, str) else None, qualname if isinstance(qualname, str) else None
