"""What was last seen of the API server's objects, in memory and indexed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage.kube.kinds import Kind, Object

REMEMBERED_DELETIONS = 4096
"""How many deleted objects of a kind are remembered, so that a late answer does not bring them back."""

_Name = tuple[str | None, str]
_Label = tuple[str | None, str, str]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which object: its namespace (``None`` for a cluster-wide kind) and its name."""

    namespace: str | None
    name: str

    @classmethod
    def of(cls, obj: Object) -> Key:
        """Return an object's own key."""
        metadata = obj["metadata"]
        return cls(metadata.get("namespace"), metadata["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Change:
    """One object's step from what was known (``before``) to what is (``after``); ``None`` is absence."""

    kind: Kind
    before: Object | None
    after: Object | None


Objects = list[Object]
Changes = list[Change]


class Cache:
    """The last seen objects of the kinds that are watched.

    Reading is by name, by namespace and by label, each without a walk over what is not asked for. Objects are
    shared with every reader: they are read-only. They carry no ``managedFields``.

    What comes in may come late, twice, or from two sources: an older version never replaces a newer one, and
    a deleted object does not come back. So what a write returned may be put here at once (`put`), for the
    next reconcile to see, without waiting for its watch event.
    """

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self._stores: dict[Kind, _Store] = {}
        self.watch(*kinds)

    def watch(self, *kinds: Kind) -> None:
        """Begin to keep these kinds; what is kept already stays."""
        for kind in kinds:
            self._stores.setdefault(kind, _Store())

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that are kept."""
        return frozenset(self._stores)

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """Return an object, or ``None`` where there is none.

        Raises:
            LookupError: nobody watches this kind: its absence here would say nothing.
        """
        return self._store(kind).objects.get((namespace, name))

    def list(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Objects:
        """Return the objects of a kind, of one namespace or (``None``) of all, that carry all these labels.

        Raises:
            LookupError: nobody watches this kind: its absence here would say nothing.
        """
        store = self._store(kind)
        if namespace is None and kind.namespaced:
            return [obj for space in store.spaces for obj in store.select(space, labels)]
        return store.select(namespace, labels)

    def put(self, kind: Kind, obj: Object) -> Change | None:
        """Take in an object, unless what is known is as new; return what changed by it."""
        store = self._store(kind)
        obj = _lean(kind, obj)
        name = _name(obj)
        before = store.objects.get(name)
        if _uid(obj) in store.deleted or (before is not None and _version(obj) <= _version(before)):
            return None
        store.set(name, obj)
        return Change(kind, before, obj)

    def remove(self, kind: Kind, obj: Object) -> Change | None:
        """Take note of an object's deletion; return what changed by it.

        Another object that has the name by now stays.
        """
        store = self._store(kind)
        store.forget(_uid(obj))
        name = _name(obj)
        before = store.objects.get(name)
        if before is None or _uid(before) != _uid(obj):
            return None
        store.set(name, None)
        return Change(kind, before, None)

    def replace(self, kind: Kind, objects: Iterable[Object], version: str) -> Changes:
        """Take in a complete and consistent list of a kind, as of a collection's version.

        What is absent from it is gone, unless it is newer than the list. A list that is older than the one
        before says that the API server's state was set back (a restored backup): then all that is known is
        replaced.

        Returns:
            What changed by it.
        """
        store = self._store(kind)
        listed = list(objects)
        if int(version) < store.listed:
            return self._start_over(kind, listed, version)
        store.listed = int(version)
        changes = [self.put(kind, obj) for obj in listed]
        present = {_name(obj) for obj in listed}
        absent = [obj for name, obj in store.objects.items() if name not in present]
        changes += [self.remove(kind, obj) for obj in absent if _version(obj) <= store.listed]
        return [change for change in changes if change is not None]

    def clear(self, kind: Kind) -> Changes:
        """Take note that a kind is not served any more; return what changed by it."""
        return [change for obj in self.list(kind) if (change := self.remove(kind, obj))]

    def _start_over(self, kind: Kind, objects: Iterable[Object], version: str) -> Changes:
        old, new = self._stores[kind], _Store(listed=int(version))
        self._stores[kind] = new
        for obj in objects:
            new.set(_name(obj), _lean(kind, obj))
        names = dict.fromkeys((*old.objects, *new.objects))
        changes = (Change(kind, old.objects.get(name), new.objects.get(name)) for name in names)
        return [change for change in changes if change.before != change.after]

    def _store(self, kind: Kind) -> _Store:
        try:
            return self._stores[kind]
        except KeyError:
            raise LookupError(f"{kind} is not watched: declare it in a controller's `watches`") from None


@dataclass(slots=True)
class _Store:
    """The objects of one kind. Each index is a dict of dicts: sets that keep their order."""

    objects: dict[_Name, Object] = field(default_factory=dict)
    spaces: dict[str | None, dict[_Name, None]] = field(default_factory=dict)
    labels: dict[_Label, dict[_Name, None]] = field(default_factory=dict)
    deleted: OrderedDict[str, None] = field(default_factory=OrderedDict)
    listed: int = 0

    def set(self, name: _Name, obj: Object | None) -> None:
        before = self.objects.pop(name, None)
        if before is not None:
            _unlink(self.spaces, name[0], name)
            for label in _labels(before):
                _unlink(self.labels, label, name)
        if obj is not None:
            self.objects[name] = obj
            self.spaces.setdefault(name[0], {})[name] = None
            for label in _labels(obj):
                self.labels.setdefault(label, {})[name] = None

    def forget(self, uid: str) -> None:
        self.deleted[uid] = None
        while len(self.deleted) > REMEMBERED_DELETIONS:
            self.deleted.popitem(last=False)

    def select(self, namespace: str | None, labels: Mapping[str, str] | None) -> Objects:
        if not labels:
            return [self.objects[name] for name in self.spaces.get(namespace, ())]
        found = [self.labels.get((namespace, *label), {}) for label in labels.items()]
        fewest, *others = sorted(found, key=len)
        return [self.objects[name] for name in fewest if all(name in other for other in others)]


def _unlink(index: dict[Any, dict[_Name, None]], entry: Any, name: _Name) -> None:
    names = index[entry]
    del names[name]
    if not names:
        del index[entry]


def _labels(obj: Object) -> list[_Label]:
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return [(namespace, key, value) for key, value in (metadata.get("labels") or {}).items()]


def _lean(kind: Kind, obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": metadata}


def _name(obj: Object) -> _Name:
    metadata = obj["metadata"]
    return metadata.get("namespace"), metadata["name"]


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
