"""Key ↔ name, reversible: how keys become file names, object names and the like.

A text of ``[A-Za-z0-9._-]`` is its own name; every other character is percent-encoded UTF-8. A ``%`` that
no hexadecimal digit follows marks something else than text::

    %s        the empty text              %n        None
    %i5       the integer 5               %x1f      an integer too long for decimal digits
    %r0.5     a float                     %yab%00   bytes
    %k%2Fa    a Key                       %t…%u…%v  a tuple: its items between %u
    %~        what follows is a digest of a name that was too long
    %p        no key: a storage's own files

Equal keys have one name, as in a dict: a number equal to an integer is that integer. Two keys that
differ never share a name. Names that a file system would change or refuse are escaped too: a leading or
trailing dot, the device names of Windows and, where the disk folds case, capitals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pystorage.errors import InvalidKeyError
from pystorage.keys import Key

_DEVICES = r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)"
_DEVICE = re.compile(_DEVICES)
# What stands behind the marks of numbers, bytes and Keys belongs to them, and may be nothing.
_TOKEN = re.compile(r"%[ikrxy](?:[^%]|%[0-9A-F]{2})*|%[g-z]|(?:[^%]|%[0-9A-F]{2})+")
_SHORTENED = re.compile(r"(?s:.{100})%~[0-9a-f]{32}")

# Many names at once, each behind a newline: the characters of a plain name, and what makes one of these
# characters special where it stands.
_PLAIN_LINES = re.compile(r"[A-Za-z0-9._\-\n]*")
_MAYBE_ODD_LINE = re.compile(r"\n[.cCpPaAnNlL]")
_ODD_LINE = re.compile(
    r"\n(?:\.|(?:[cC][oO][nN]|[pP][rR][nN]|[aA][uU][xX]|[nN][uU][lL]|[cC][oO][mM][0-9]|[lL][pP][tT][0-9])[.\n])"
)

_PREFIX_LENGTH: Final = 100
_DEPTH: Final = 50
_HEX: Final = frozenset("0123456789ABCDEF")
# CPython writes and reads integers of 640 digits in decimal, whatever it was told; longer ones perhaps not.
_DECIMAL_BITS: Final = 2_000

#: What the names of a storage's own files begin with.
OWN: Final = "%pystorage"


class Naming:
    """The rule by which a storage names its keys.

    Args:
        max_length: The longest name, in characters, ≥ 150; a longer one is shortened.
        fold_case: Whether the place cannot tell capitals from small letters.
        safe: Characters that stand for themselves besides ``[A-Za-z0-9._-]``: printable ASCII but ``%``.
        files: Whether what file systems change or refuse is escaped.

    Raises:
        ValueError: An argument is out of its range.

    Example:
        >>> naming = Naming()
        >>> naming.name("a/b"), naming.name(5), naming.name(("x", None))
        ('a%2Fb', '%i5', '%tx%u%n%v')
        >>> naming.key("%tx%u%n%v")
        ('x', None)
    """

    def __init__(
        self, *, max_length: int = 200, fold_case: bool = False, safe: str = "", files: bool = True
    ) -> None:
        if max_length < 150:
            raise ValueError(f"max_length must be at least 150, not {max_length}")
        if "%" in safe or not (safe.isascii() and safe.isprintable()):
            raise ValueError(f"only printable ASCII without '%' can be safe, not {safe!r}")
        self.max_length = max_length
        self.fold_case = fold_case
        self.safe = safe
        self.files = files
        letters = "a-z" if fold_case else "A-Za-z"
        unescaped = re.compile(rf"[{letters}0-9._\-{re.escape(safe)}]")
        # Of each byte that does not stand for itself, which str.translate takes as a character.
        self._escapes = {byte: f"%{byte:02X}" for byte in range(256) if not unescaped.match(chr(byte))}
        end = f"[{letters}0-9_-]"
        #: Says of a text (truthily) that it is its own name and not too long.
        self.plain: Callable[[str], object] = re.compile(
            rf"(?!{_DEVICES}){end}(?:[{letters}0-9._-]{{0,{max_length - 2}}}{end})?"
        ).fullmatch

    def name(self, key: object) -> str:
        """Give the whole name of a key, however long.

        Args:
            key: Text, a number, None, bytes, a tuple of these, or a ``Key``.

        Returns:
            The name, of the safe characters and ``%``.

        Raises:
            InvalidKeyError: No storage of bytes can hold such a key.

        Cost: O(length of the key).
        """
        if type(key) is str and self.plain(key):
            return key
        return self._name(key, _DEPTH)

    def shortened(self, name: str) -> str:
        """Give what stands for a name in the place itself.

        Args:
            name: A whole name.

        Returns:
            The same, or its beginning and a digest of the whole where it is too long.

        Raises:
            Nothing.
        """
        return name if len(name) <= self.max_length else _with_digest(name)

    @staticmethod
    def is_shortened(name: str) -> bool:
        """Tell whether a name lacks the end of its key.

        Args:
            name: A name found in the place.

        Returns:
            Whether the whole name is to be read beside the value.

        Raises:
            Nothing.
        """
        return _SHORTENED.fullmatch(name) is not None

    def key(self, name: str) -> object:
        """Give the key of a whole name.

        Args:
            name: A name.

        Returns:
            The key.

        Raises:
            ValueError: It is not the name of any key.
        """
        if self.plain(name):
            return name
        try:
            key = self._key(name)
            again = self.name(key)
        except (InvalidKeyError, RecursionError) as error:
            raise ValueError(f"not the name of a key: {name!r}") from error
        if again != name:
            raise ValueError(f"not the name of a key: {name!r}")
        return key

    def is_entry(self, name: str) -> bool:
        """Tell whether a name found in the place can be that of an entry.

        Args:
            name: The name.

        Returns:
            Whether it is the name of a key, or what stands for a longer one.

        Raises:
            Nothing.
        """
        if self.plain(name) or self.is_shortened(name):
            return True
        try:
            self.key(name)
        except ValueError:
            return False
        return self.shortened(name) == name

    def all_plain(self, names: Sequence[str], ending: str = "") -> bool:
        """Tell whether many names are plain, so that each is its own key.

        Args:
            names: Names found in the place.
            ending: What should follow the name in each of them: a dot and a suffix, or nothing.

        Returns:
            Whether every one is, and has the ending; False is always right.

        Raises:
            Nothing.

        Cost: about 100 ns a name, a tenth of asking for each.
        """
        if self.fold_case or not self.files or not names:
            return False
        lines = "\n".join(["", *names, ""])
        return (
            lines.count("\n") == len(names) + 1
            and lines.count(f"{ending}\n") == len(names) + (not ending)
            and _PLAIN_LINES.fullmatch(lines) is not None
            and (_MAYBE_ODD_LINE.search(lines) is None or _ODD_LINE.search(lines) is None)
            and f".{ending}\n" not in lines
            and f"\n{ending}\n" not in lines
            and max(map(len, names)) <= self.max_length + len(ending)
        )

    def _name(self, key: object, depth: int) -> str:
        """Name a key by its type; a subclass of a type counts as the plain value that it equals."""
        if isinstance(key, str):
            return self._text(str.__str__(key)) or "%s"
        if isinstance(key, int):
            number = int.__int__(key)
            return f"%x{number:x}" if number.bit_length() > _DECIMAL_BITS else f"%i{number}"
        if isinstance(key, float):
            return self._float(float.__float__(key))
        if key is None:
            return "%n"
        if isinstance(key, bytes):
            return "%y" + self._escaped_end(self._quoted(bytes.join(b"", [key])))
        if isinstance(key, Key):
            return "%k" + self._escaped_end(self._quoted(self._utf8(str(key))))
        if isinstance(key, tuple):
            if depth == 0:
                raise InvalidKeyError(f"tuples nest at most {_DEPTH} deep in a key")
            items = (self._item(item, depth - 1) for item in tuple.__iter__(key))
            return f"%t{'%u'.join(items)}%v"
        raise InvalidKeyError(
            f"a key is str, int, float, None, bytes, a Key or a tuple of these, not {type(key).__name__}"
        )

    def _item(self, item: object, depth: int) -> str:
        if isinstance(item, str):  # a text that is a whole key may be laid out otherwise
            return Naming._text(self, str.__str__(item)) or "%s"
        return self._name(item, depth)

    def _float(self, number: float) -> str:
        if math.isnan(number):
            raise InvalidKeyError("NaN cannot be a key: it does not equal itself")
        if number.is_integer():
            return self._name(int(number), 0)
        return f"%r{number!r}"

    @staticmethod
    def _utf8(text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise InvalidKeyError(f"a key cannot hold half of a surrogate pair: {error}") from error

    def _quoted(self, data: bytes) -> str:
        return data.decode("latin-1").translate(self._escapes)

    def _text(self, text: str) -> str:
        name = self._quoted(self._utf8(text))
        if self.files and (name.startswith(".") or _DEVICE.match(name)):
            name = f"%{ord(name[0]):02X}{name[1:]}"
        return self._escaped_end(name)

    def _escaped_end(self, name: str) -> str:
        return name[:-1] + "%2E" if self.files and name.endswith(".") else name

    def _key(self, name: str) -> object:
        tokens = _TOKEN.findall(name)
        if "".join(tokens) != name:
            raise ValueError(f"not the name of a key: {name!r}")
        rest = iter(tokens)
        key = self._parsed(next(rest, ""), rest)
        if next(rest, None) is not None:
            raise ValueError(f"not the name of a key: {name!r}")
        return key

    def _parsed(self, token: str, rest: Iterator[str]) -> object:
        if not token.startswith("%") or token[1:2] in _HEX:
            return _unquoted(token).decode()
        mark, content = token[:2], token[2:]
        match mark:
            case "%s":
                return ""
            case "%n":
                return None
            case "%i":
                return int(content)
            case "%x":
                return int(content, 16)
            case "%r":
                return float(content)
            case "%y":
                return _unquoted(content)
            case "%k":
                return Key(_unquoted(content).decode())
            case "%t":
                return tuple(self._items(rest))
        raise ValueError(f"not the name of a key: it holds {token!r}")

    def _items(self, rest: Iterator[str]) -> Iterator[object]:
        token = next(rest, "")
        while token != "%v":
            yield self._parsed(token, rest)
            token = next(rest, "")
            if token == "%u":
                token = next(rest, "")
            elif token != "%v":
                raise ValueError(f"not the name of a key: a tuple holds {token!r}")


class TreeNaming(Naming):
    """Names of texts keep ``/`` as folders: ``a/b`` lies in the folder ``a``.

    Args:
        suffix: What the files end in, without the dot; not empty.
        max_length: The longest part between two ``/``, in characters, ≥ 150.
        max_total: The longest whole name, in characters.
        fold_case: Whether the place cannot tell capitals from small letters.

    Raises:
        ValueError: An argument is out of its range.

    Example:
        >>> TreeNaming("json").name("a/b"), TreeNaming("json").name("/a//b")
        ('a/b', '%s/a/%s/b')
    """

    def __init__(
        self, suffix: str, *, max_length: int = 200, max_total: int = 1000, fold_case: bool = False
    ) -> None:
        super().__init__(max_length=max_length, fold_case=fold_case)
        if not suffix:
            raise ValueError("a tree needs a suffix, to tell the file of 'a' from the folder of 'a/b'")
        self.suffix = suffix
        self.max_total = max_total

    def shortened(self, name: str) -> str:
        if len(name) <= self.max_total and max(map(len, name.split("/"))) <= self.max_length:
            return name
        return _with_digest(name.replace("/", "%2F"))

    def all_plain(self, names: Sequence[str], ending: str = "") -> bool:
        return False

    def _text(self, text: str) -> str:
        *folders, last = (super(TreeNaming, self)._text(part) or "%s" for part in text.split("/"))
        return "/".join([*map(self._folder, folders), last])

    def _folder(self, name: str) -> str:
        """Name a folder so that no file of a key can have the same name."""
        if name.lower().endswith(f".{self.suffix.lower()}"):
            return f"{name[:-1]}%{ord(name[-1]):02X}"
        return name

    def _key(self, name: str) -> object:
        if "/" not in name:
            return super()._key(name)
        parts = [super(TreeNaming, self)._key(part) for part in name.split("/")]
        return "/".join(part for part in parts if isinstance(part, str))


class ObjectNaming(Naming):
    """Names in a store of objects, which takes any name that a path does not mean something else by.

    What a text begins with, its name begins with, unless the name is shortened or the text is dots alone.

    Args:
        max_length: The longest name, in characters, ≥ 150.

    Raises:
        ValueError: It is less.

    Example:
        >>> naming = ObjectNaming(max_length=900)
        >>> naming.name(".profile"), naming.name(".."), naming.name("../x")
        ('.profile', '%2E.', '..%2Fx')
    """

    def __init__(self, *, max_length: int) -> None:
        super().__init__(max_length=max_length, files=False)

    def _text(self, text: str) -> str:
        name = super()._text(text)
        return "%2E" + name[1:] if name in (".", "..") else name


def _unquoted(text: str) -> bytes:
    """Resolve the escapes of a text in which each ``%`` has its two digits."""
    begin, *rest = text.split("%")
    return begin.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)


def _with_digest(name: str) -> str:
    from hashlib import blake2b  # which loads all of OpenSSL, and few names are so long

    return f"{name[:_PREFIX_LENGTH]}%~{blake2b(name.encode(), digest_size=16).hexdigest()}"
