"""What is kept for a caller's next request: bounded, and gone in time."""

from __future__ import annotations

from router.store.memory import MemoryStore
from router.store.shelf import OVERHEAD, Shelf

TTL = 100.0


def shelf(entries: int, size: int = 10) -> Shelf:
    """A shelf with room for so many entries of `size` bytes."""
    return Shelf(entries * (size + OVERHEAD), TTL)


def there(shelf: Shelf, key_id: str, now: float, *names: str) -> list[str]:
    """Those of `names` that are kept, without being asked for in one go with the others."""
    return [name for name in names if shelf.get(key_id, [name], now) != [None]]


def test_what_is_kept_comes_back() -> None:
    """In the order it is asked for, with None where there is nothing; put again, it is the newer."""
    kept = shelf(4)
    kept.put("a", "one", b"1", 0.0)
    kept.put("a", "two", b"2", 0.0)
    kept.put("a", "one", b"1!", 0.0)
    assert kept.get("a", ["two", "never", "one"], 1.0) == [b"2", None, b"1!"]
    assert kept.get("a", [], 1.0) == []


def test_nobody_reads_another_keys() -> None:
    """Names are each key's own; neither reading nor dropping reaches another's."""
    kept = shelf(4)
    kept.put("a", "one", b"a's", 0.0)
    assert kept.get("b", ["one"], 0.0) == [None]
    assert not kept.drop("b", "one")
    assert kept.get("a", ["one"], 0.0) == [b"a's"]


def test_what_is_dropped_is_gone() -> None:
    """Once; dropped again, there was nothing."""
    kept = shelf(4)
    kept.put("a", "one", b"1", 0.0)
    kept.put("a", "two", b"2", 0.0)
    assert kept.drop("a", "one") and not kept.drop("a", "one")
    assert kept.get("a", ["one", "two"], 0.0) == [None, b"2"]


def test_entries_go_when_nobody_asks_for_them() -> None:
    """After the time to live since they were put or last read, whoever puts something next."""
    kept = shelf(8)
    kept.put("a", "read", b"1", 0.0)
    kept.put("a", "left", b"2", 0.0)
    assert kept.get("a", ["read"], TTL) == [b"1"]
    kept.put("b", "new", b"3", TTL + 1.0)
    assert there(kept, "a", TTL + 1.0, "read", "left") == ["read"]
    assert there(kept, "a", 2 * TTL + 2.0, "read") == []


def test_the_bound_holds() -> None:
    """Beyond it the one goes that was unused for the longest time; what is larger than all of it is not kept."""
    kept = shelf(3)
    for name in ("one", "two", "three"):
        kept.put("a", name, bytes(10), 0.0)
    kept.get("a", ["one"], 1.0)
    kept.put("a", "four", bytes(10), 2.0)
    assert there(kept, "a", 2.0, "one", "two", "three", "four") == ["one", "three", "four"]
    kept.put("a", "huge", bytes(10_000), 2.0)
    assert there(kept, "a", 2.0, "one", "three", "four", "huge") == ["one", "three", "four"]
    kept.clear()
    assert there(kept, "a", 2.0, "one", "three", "four") == []


def test_small_entries_are_bounded_too() -> None:
    """An empty one takes room."""
    kept = Shelf(10 * OVERHEAD, TTL)
    for number in range(100):
        kept.put("a", str(number), b"", 0.0)
    assert len(there(kept, "a", 0.0, *map(str, range(100)))) == 10


def test_nobody_pushes_out_what_others_keep() -> None:
    """Where room is needed, whoever holds most gives it."""
    kept = shelf(4)
    kept.put("quiet", "mine", bytes(10), 0.0)
    for number in range(50):
        kept.put("loud", str(number), bytes(10), 1.0)
    assert there(kept, "quiet", 1.0, "mine") == ["mine"]
    assert there(kept, "loud", 1.0, *map(str, range(50))) == ["47", "48", "49"]


async def test_the_memory_store_keeps() -> None:
    """By its own clock and bounds; closed, it forgets."""
    now = 0.0
    store = MemoryStore(kept_bytes=4 * OVERHEAD, kept_ttl=TTL, clock=lambda: now)
    await store.keep("a", "one", b"1")
    await store.keep("a", "two", b"2")
    assert await store.kept("a", ["one", "two", "three"]) == [b"1", b"2", None]
    assert await store.forget("a", "one") and not await store.forget("a", "one")
    now = TTL + 1.0
    assert await store.kept("a", ["two"]) == [None]
    await store.keep("a", "three", b"3")
    await store.close()
    assert await store.kept("a", ["three"]) == [None]


async def test_a_store_may_keep_nothing() -> None:
    """With no bytes to keep, all is forgotten at once."""
    store = MemoryStore(kept_bytes=0)
    await store.keep("a", "one", b"")
    assert await store.kept("a", ["one"]) == [None]
