"""Tags: groups of results that are invalidated together, at a cost that no number of results changes.

Each tag has a token in the storage, drawn at random when a result with that tag is first computed, and each
result carries the tokens of its tags from when its computation began. A result whose tokens are no longer
those in the storage is not given. So to invalidate a tag is to remove its token; and a token that is lost, as
from a storage with a bound, costs computations but never revives what was invalidated.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, overload

from pystorage.memo.binding import Binding
from pystorage.memo.leading import is_async
from pystorage.storage import ABSENT, Storage

if TYPE_CHECKING:
    from pystorage.aio import AsyncStorage
    from pystorage.memo.asyncplace import AsyncPlace
    from pystorage.memo.place import Place

#: What the key of a token begins with.
PREFIX: Final = "pystorage.tag-"


@overload
def invalidate_tags(storage: MutableMapping[Any, Any], /, *tags: str) -> int: ...
@overload
def invalidate_tags(storage: AsyncStorage[Any, Any], /, *tags: str) -> Coroutine[Any, Any, int]: ...
def invalidate_tags(storage: Any, /, *tags: str) -> Any:
    """Let go of all results that carry a tag, of whatever function that keeps them in this storage.

    A result that is being computed meanwhile is let go of as well.

    Args:
        storage: Where the results are kept.
        tags: The tags, as ``"user:7"``.

    Returns:
        How many of the tags were in use; of a storage that is async, what is awaited for that.

    Raises:
        TypeError: A tag is no text, or what is given is no mapping.
        StorageError: The storage refused.

    Cost: one removal for each tag, in one call where the storage has ``Capability.BULK``, however many
        results carry it. The results stay until they expire, are evicted or are computed anew.

    Example:
        >>> from pystorage import LRUStorage, memoize
        >>> storage = LRUStorage(1000)
        >>> @memoize(storage, tags=("user:{user_id}", "users"))
        ... def name(user_id):
        ...     print("computed")
        ...     return f"user {user_id}"
        >>> name(7)
        computed
        'user 7'
        >>> invalidate_tags(storage, "user:7")
        1
        >>> name(7), name(7)
        computed
        ('user 7', 'user 7')
    """
    for tag in tags:
        if not isinstance(tag, str):
            raise TypeError(f"invalidate_tags() takes texts such as 'user:7', not {tag!r}")
    keys = [PREFIX + tag for tag in tags]
    if isinstance(storage, Storage) or is_async(storage):
        return storage.delete_many(keys)
    if not isinstance(storage, MutableMapping):
        raise TypeError(
            f"invalidate_tags() takes the storage of the results, not {type(storage).__name__}: "
            "as in invalidate_tags(function.storage, 'user:7')"
        )
    return sum(storage.pop(key, ABSENT) is not ABSENT for key in keys)


class Tags:
    """The tags of one function's results.

    Args:
        templates: Texts with the names of parameters in braces.
        function: The function.

    Raises:
        TypeError: A template names what is no parameter, or by position.
        ValueError: A template is no format.
    """

    __slots__ = ("_binding", "_templates")

    def __init__(self, templates: tuple[str, ...], function: Callable[..., Any]) -> None:
        self._templates = templates
        self._binding = Binding(function) if templates else None
        for template in templates:
            _check(template, self._binding)

    def of(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> list[str]:
        """Give the tags of one call.

        Args:
            args: What is passed by position.
            kwargs: What is passed by name.

        Returns:
            The tags.

        Raises:
            TypeError: The function cannot be called so.
            Exception: What formatting an argument raises.
        """
        if self._binding is None:
            return []
        named = dict(zip(self._binding.names, self._binding.values(args, kwargs), strict=True))
        try:
            return [template.format_map(named) for template in self._templates]
        except Exception as error:
            error.add_note(f"raised when the tags of a call of {self._binding.name}() were made")
            raise

    def taken(self, args: tuple[object, ...], kwargs: Mapping[str, object], place: Place) -> dict[str, str]:
        """Give the tokens of the tags of a call, and draw those that are not there.

        Args:
            args: What is passed by position.
            kwargs: What is passed by name.
            place: The storage.

        Returns:
            Tag → token.

        Raises:
            StorageError: The storage cannot be read, or refused.
        """
        tags = self.of(args, kwargs)
        if not tags:
            return {}
        found = tokens(tags, place)
        for tag in tags:
            if tag not in found:
                drawn = secrets.token_hex(8)
                found[tag] = drawn if _drawn(tag, drawn, place) else tokens([tag], place).get(tag, drawn)
        return found

    async def taken_async(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], place: AsyncPlace
    ) -> dict[str, str]:
        """Give the tokens of the tags of a call, and draw those that are not there.

        Args:
            args: What is passed by position.
            kwargs: What is passed by name.
            place: The storage.

        Returns:
            Tag → token.

        Raises:
            StorageError: The storage cannot be read, or refused.
        """
        tags = self.of(args, kwargs)
        if not tags:
            return {}
        found = await tokens_async(tags, place)
        for tag in tags:
            if tag not in found:
                drawn = secrets.token_hex(8)
                mine = await place.write_any(PREFIX + tag, [drawn, drawn.encode()], None, ABSENT)
                found[tag] = drawn if mine else (await tokens_async([tag], place)).get(tag, drawn)
        return found

    @staticmethod
    def hold(carried: Mapping[str, str], place: Place) -> bool:
        """Tell whether the tags that a result carries are still good.

        Args:
            carried: Tag → token.
            place: The storage.

        Returns:
            Whether all tokens are those in the storage.

        Raises:
            StorageError: The storage cannot be read.

        Cost: a bulk read; none without tags.
        """
        return not carried or tokens(carried, place) == carried


def tokens(tags: Iterable[str], place: Place) -> dict[str, str]:
    """Read the tokens of tags.

    Args:
        tags: The tags.
        place: The storage.

    Returns:
        Tag → token, of those that have one.

    Raises:
        StorageError: The storage cannot be read.
    """
    found = place.read_many([PREFIX + tag for tag in tags])
    return {key.removeprefix(PREFIX): as_text(value) for key, value in found.items()}


async def tokens_async(tags: Iterable[str], place: AsyncPlace) -> dict[str, str]:
    """Read the tokens of tags.

    Args:
        tags: The tags.
        place: The storage.

    Returns:
        Tag → token, of those that have one.

    Raises:
        StorageError: The storage cannot be read.
    """
    found = await place.read_many([PREFIX + tag for tag in tags])
    return {key.removeprefix(PREFIX): as_text(value) for key, value in found.items()}


def as_text(token: object) -> str:
    """Give a token that was read, also from where only bytes are kept.

    Args:
        token: What was read.

    Returns:
        The token.

    Raises:
        Nothing.
    """
    return token.decode("ascii", "replace") if isinstance(token, bytes) else str(token)


def _drawn(tag: str, token: str, place: Place) -> bool:
    return place.write_any(PREFIX + tag, [token, token.encode()], None, ABSENT)


def _check(template: str, binding: Binding | None) -> None:
    assert binding is not None
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template)]
    except ValueError as error:
        raise ValueError(f"tags= holds {template!r}, which is no format: {error}") from None
    for field in fields:
        if field is None:
            continue
        name = field.replace("[", ".").partition(".")[0]
        if name not in binding.defaults:
            raise TypeError(
                f"tags= names {name!r} in {template!r}, which is no parameter of {binding.name}(): "
                f"it has {', '.join(binding.names) or 'none'}"
            )
