"""Results are invalidated together by their tags."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pystorage import FileStorage, LRUStorage, MemoryStorage, VolatileStorage, memoize
from pystorage.memo import invalidate_tags


@pytest.fixture(params=["memory", "dict", "json", "text", "bytes", "volatile"])
def storage(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    match request.param:
        case "memory":
            return MemoryStorage()
        case "dict":
            return {}
        case "volatile":
            return VolatileStorage(MemoryStorage(), expiration=60)
    return FileStorage(tmp_path / "results", codec=request.param)


def users(storage: Any, made: list[int], **options: Any) -> Any:
    binary = "BytesCodec" in repr(storage)

    @memoize(storage, tags=("user:{user_id}", "users"), **options)
    def name(user_id: int, formal: bool = False) -> Any:
        made.append(user_id)
        text = f"{user_id} {len(made)}"
        return text.encode() if binary else text

    return name


def test_one_tag_of_many(storage: Any) -> None:
    made: list[int] = []
    name = users(storage, made)
    for _ in range(2):
        for user in (1, 2, 3):
            name(user), name(user, formal=True)
    assert len(made) == 6
    assert invalidate_tags(storage, "user:2") == 1
    for user in (1, 2, 3):
        name(user), name(user, formal=True)
    assert made[6:] == [2, 2]
    assert invalidate_tags(storage, "users", "user:1", "nobody's") == 2
    for user in (1, 2, 3):
        name(user)
    assert made[8:] == [1, 2, 3]


def test_a_tag_that_is_let_go_of_while_one_computes(storage: Any) -> None:
    made: list[int] = []

    @memoize(storage, tags="news")
    def news() -> Any:
        made.append(1)
        if len(made) == 1:
            invalidate_tags(storage, "news")
        return b"" if "BytesCodec" in repr(storage) else ""

    news()
    news()
    news()
    assert len(made) == 2


def test_what_was_set_carries_the_tags_of_its_call(storage: Any) -> None:
    name = users(storage, [])
    value = b"set" if "BytesCodec" in repr(storage) else "set"
    for user in (1, 2):
        name.set(value, user)
    assert invalidate_tags(storage, "user:1") == 1
    assert [name.peek(None, user) for user in (1, 2)] == [None, value]


def test_what_was_set_for_one_object_carries_its_tags() -> None:
    class Shop:
        name = "corner"

        @memoize(tags="shop:{self.name}")
        def fruit(self, kind: str) -> str:
            return kind

    shop = Shop()
    shop.fruit.set("fig", "dried")
    assert shop.fruit("dried") == "fig"
    assert invalidate_tags(shop.fruit.storage, "shop:corner") == 1
    assert shop.fruit("dried") == "dried"


def test_functions_share_tags_in_one_storage() -> None:
    storage = MemoryStorage[str, Any]()
    made: list[str] = []

    @memoize(storage, tags="user:{user.id}")
    def one(user: Any) -> None:
        made.append("one")

    @memoize(storage, tags="user:{number}", ttl=100, stale=5)
    def two(number: int) -> None:
        made.append("two")

    class User:
        def __init__(self, id: int) -> None:
            self.id = id

    user = User(7)
    one = memoize(storage, tags="user:{user.id}", key=lambda user: user.id)(one.__wrapped__)
    for _ in range(2):
        one(user)
        two(7)
    invalidate_tags(storage, "user:7")
    one(user)
    two(7)
    assert made == ["one", "two"] * 2


def test_a_lost_token_revives_nothing() -> None:
    storage = LRUStorage[str, Any](100)
    made: list[int] = []
    name = users(storage, made)
    name(1)
    for key in list(storage):
        if key.startswith("pystorage.tag-"):
            del storage[key]
    name(1)
    assert made == [1, 1]


def test_threads_draw_one_token(storage: Any) -> None:
    made: list[int] = []
    name = users(storage, made)
    threads = [threading.Thread(target=name, args=(7, bool(at % 2))) for at in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    count = len(made)
    if not isinstance(storage, dict):  # a dict has no atomic add
        assert count == 2
    name(7)
    invalidate_tags(storage, "user:7")
    name(7)
    assert len(made) > count


@pytest.mark.parametrize("tags, why", [("user:{id}", "'id'"), ("{0}", "'0'"), ("{}", "''")])
def test_a_tag_of_what_is_no_parameter(tags: str, why: str) -> None:
    with pytest.raises(TypeError, match=f"tags= names {why} in .* it has user_id"):

        @memoize(MemoryStorage(), tags=tags)
        def name(user_id: int) -> None: ...


def test_a_tag_that_is_no_format() -> None:
    with pytest.raises(ValueError, match=r"tags= holds 'user:\{', which is no format"):
        memoize(tags="user:{")(users)


def test_a_tag_that_cannot_be_made_says_whose_it_is() -> None:
    @memoize(tags="user:{user[id]}")
    def name(user: dict[str, int]) -> str:
        return "name"

    with pytest.raises(KeyError) as caught:
        name({})
    assert caught.value.__notes__ == [
        "raised when the tags of a call of "
        "test_a_tag_that_cannot_be_made_says_whose_it_is.<locals>.name() were made"
    ]


def test_tags_are_texts() -> None:
    with pytest.raises(TypeError, match="invalidate_tags"):
        invalidate_tags({}, 7)  # type: ignore[arg-type]
