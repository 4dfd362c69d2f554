"""Hierarchical keys: ``Key('/Comedy/MontyPython/Actor:JohnCleese')``.

A key is a path of namespaces, as in a file system, and each namespace may carry a type before its name:
``Actor:JohnCleese``. The scheme is that of py-datastore, which took it from file systems and from the
Google App Engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import total_ordering
from typing import Final, NoReturn, final


class Namespace(str):
    """One step of a key: a text that may carry a type before its name, as ``type:name``.

    It is a ``str`` in every respect, and equals the plain text.

    Raises:
        Nothing.

    Example:
        >>> Namespace("Song:PhilosopherSong").type, Namespace("Bruces").type
        ('Song', '')
    """

    __slots__ = ()

    @property
    def type(self) -> str:
        """The text before the first ``:``, or nothing.

        Returns:
            The type; ``''`` where there is none.

        Raises:
            Nothing.
        """
        head, colon, _ = self.partition(":")
        return head if colon else ""

    @property
    def name(self) -> str:
        """The text after the last ``:``, or all of it.

        Returns:
            The name.

        Raises:
            Nothing.
        """
        return self.rpartition(":")[2]

    def __repr__(self) -> str:
        return f"Namespace({str.__repr__(self)})"


# Inside Key the names `list` and `type` are properties of the key.
_Namespaces = list[Namespace]
_Texts = list[str]
_MASK: Final = (1 << 60) - 1


@final
@total_ordering
class Key:
    """A path of namespaces that names one thing, and tells what it is below.

    Repeated and trailing slashes are dropped; ``.`` and ``..`` are namespaces like any other and are not
    resolved. The root is ``Key('/')``: it has no namespace, so its length is 0 and, as every empty
    collection, it is false. A key never equals a text.

    The order is that of the lists of namespaces, so that everything below a key follows it at once. The
    hash depends on the text alone: it is the same in every process and on every 64-bit machine.

    Args:
        key: A text, another key, or a sequence of texts that are joined by ``/``.

    Raises:
        TypeError: It is none of these.

    Threads: immutable.

    Example:
        >>> john = Key("/Comedy/MontyPython/Actor:JohnCleese")
        >>> john.type, john.name, john.parent
        ('Actor', 'JohnCleese', Key('/Comedy/MontyPython'))
        >>> Key("/Comedy").is_ancestor_of(john), len(john), Key("Comedy//") / "Sketch"
        (True, 3, Key('/Comedy/Sketch'))
    """

    __slots__ = ("_hash", "_text")

    _text: str
    _hash: int

    def __new__(cls, key: str | Key | Sequence[str]) -> Key:
        if type(key) is Key:
            return key
        self = object.__new__(cls)
        object.__setattr__(self, "_text", cls.remove_duplicate_slashes(_joined(key)))
        return self

    @classmethod
    def random_key(cls) -> Key:
        """Make a key that nobody else has made.

        Returns:
            A key of one namespace: 32 random hexadecimal digits (RFC 9562, version 4).

        Raises:
            Nothing.

        Example:
            >>> len(Key.random_key().name)
            32
        """
        from uuid import uuid4

        return cls(uuid4().hex)

    @staticmethod
    def remove_duplicate_slashes(path: str) -> str:
        """Write a path the one way that a key has it.

        Args:
            path: Namespaces with slashes between, before and after them, in any number.

        Returns:
            One slash before each namespace; ``/`` where there is none.

        Raises:
            Nothing.

        Example:
            >>> Key.remove_duplicate_slashes("a//b/"), Key.remove_duplicate_slashes("")
            ('/a/b', '/')
        """
        return "/" + "/".join(filter(None, path.split("/")))

    # ------------------------------------------------------------------ what it is made of

    @property
    def list(self) -> _Namespaces:
        """The namespaces, from the root down.

        Returns:
            A new list; empty at the root.

        Raises:
            Nothing.
        """
        return [Namespace(part) for part in self._parts()]

    @property
    def namespaces(self) -> _Namespaces:
        """The namespaces, from the root down: another name of ``list``.

        Returns:
            A new list; empty at the root.

        Raises:
            Nothing.
        """
        return self.list

    @property
    def name(self) -> str:
        """The name of the last namespace.

        Returns:
            The name; ``''`` at the root.

        Raises:
            Nothing.
        """
        return self._last().name

    @property
    def type(self) -> str:
        """The type of the last namespace.

        Returns:
            The type; ``''`` where there is none and at the root.

        Raises:
            Nothing.
        """
        return self._last().type

    @property
    def path(self) -> Key:
        """The collection that an instance belongs to: its parent, and its type below that.

        Returns:
            A key; that of the root is the root.

        Raises:
            Nothing.

        Example:
            >>> Key("/Comedy/Actor:JohnCleese").path, Key("/Comedy/Sketch").path
            (Key('/Comedy/Actor'), Key('/Comedy'))
        """
        return Key(f"{self._text.rpartition('/')[0]}/{self.type}")

    @property
    def parent(self) -> Key:
        """The key one namespace shorter.

        Returns:
            A key.

        Raises:
            ValueError: At the root, which has none.
        """
        if self._text == "/":
            raise ValueError("the root, Key('/'), has no parent: check is_top_level() or len() before")
        return Key(self._text.rpartition("/")[0])

    @property
    def reverse(self) -> Key:
        """The key of the same namespaces from the last to the first.

        Returns:
            A key.

        Raises:
            Nothing.

        Example:
            >>> Key("/Comedy/MontyPython/Actor:JohnCleese").reverse
            Key('/Actor:JohnCleese/MontyPython/Comedy')
        """
        return Key(self._parts()[::-1])

    # ------------------------------------------------------------------ keys made from it

    def child(self, other: str | Key) -> Key:
        """Make the key of something below; ``key / other`` is the same.

        Args:
            other: One or more namespaces, as a text or a key.

        Returns:
            A key; this one where ``other`` has no namespace.

        Raises:
            TypeError: ``other`` is neither text nor key.

        Example:
            >>> Key("/Comedy").child("MontyPython") / Key("/Actor:JohnCleese")
            Key('/Comedy/MontyPython/Actor:JohnCleese')
        """
        if not isinstance(other, (str, Key)):
            raise TypeError(f"the child of a Key is a str or a Key, not {_type_name(other)}")
        return Key(f"{self._text}/{other}")

    def __truediv__(self, other: str | Key) -> Key:
        return self.child(other)

    def instance(self, name: str) -> Key:
        """Make the key of one thing of this kind, by a name behind the last namespace.

        Args:
            name: The name, without ``/``.

        Returns:
            The key with ``:`` and the name appended; below the root a namespace without a type.

        Raises:
            TypeError: The name is no text.
            ValueError: The name holds a ``/``.

        Example:
            >>> Key("/Comedy/Actor").instance("JohnCleese")
            Key('/Comedy/Actor:JohnCleese')
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of an instance is a str, not {_type_name(name)}")
        if "/" in name:
            raise ValueError(f"the name of an instance holds no '/', as {name!r} does: make a child() first")
        return Key(f"{self._text}:{name}")

    # ------------------------------------------------------------------ where it stands

    def is_ancestor_of(self, other: Key) -> bool:
        """Tell whether another key is below this one.

        Args:
            other: A key.

        Returns:
            True where the other begins with these namespaces and goes on; a key is not its own ancestor.

        Raises:
            TypeError: The other is no key.
        """
        if not isinstance(other, Key):
            raise TypeError(f"only a Key can be below a Key, not {_type_name(other)}: write Key(…)")
        # The text of the root ends with its slash already.
        return len(other._text) > len(self._text) and other._text.startswith(self._text.rstrip("/") + "/")

    def is_descendant_of(self, other: Key) -> bool:
        """Tell whether this key is below another.

        Args:
            other: A key.

        Returns:
            True where this key begins with the namespaces of the other and goes on.

        Raises:
            TypeError: The other is no key.
        """
        if not isinstance(other, Key):
            raise TypeError(f"a Key can be below a Key only, not {_type_name(other)}: write Key(…)")
        return other.is_ancestor_of(self)

    def is_top_level(self) -> bool:
        """Tell whether the key stands right below the root.

        Returns:
            True where it has one namespace.

        Raises:
            Nothing.
        """
        return len(self) == 1

    # ------------------------------------------------------------------ as a value

    def __iter__(self) -> Iterator[Namespace]:
        return iter(self.list)

    def __len__(self) -> int:
        return self._text.count("/") if self._text != "/" else 0

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Key({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Key) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._parts() < other._parts() if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            # 60 bits are below the modulus by which CPython reduces hashes, so hash() gives them unchanged.
            from hashlib import blake2b

            digest = blake2b(self._text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            number = int.from_bytes(digest, "little") & _MASK
            object.__setattr__(self, "_hash", number)
            return number

    def __reduce__(self) -> tuple[Callable[[str], Key], tuple[str]]:
        return Key, (self._text,)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Key cannot be changed, so {name!r} cannot be set: make another Key")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Key cannot be changed, so {name!r} cannot be deleted: make another Key")

    def _parts(self) -> _Texts:
        return self._text[1:].split("/") if self._text != "/" else []

    def _last(self) -> Namespace:
        return Namespace(self._text.rpartition("/")[2])


def _joined(key: object) -> str:
    if isinstance(key, str):
        return key
    # Bytes are a sequence too, of numbers.
    if not isinstance(key, Sequence) or isinstance(key, (bytes, bytearray, memoryview)):
        raise TypeError(f"a Key is made of a str, a Key or a sequence of str, not {_type_name(key)}")
    for part in key:
        if not isinstance(part, str):
            raise TypeError(f"the namespaces of a Key are str, not {_type_name(part)}")
    return "/".join(key)


def _type_name(value: object) -> str:
    return type(value).__name__
