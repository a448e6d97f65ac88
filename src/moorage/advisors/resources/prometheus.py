"""Asking a Prometheus API without hurting it: Prometheus, VictoriaMetrics, Thanos, Mimir.

A long range is asked for in pieces, few at a time. A server that is busy is asked again later, one that says
that a piece is too much gets it in halves.
"""

from __future__ import annotations

import math
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
import numpy as np

from moorage.advisors.resources.model import Array, Samples
from moorage.errors import MoorageError

AT_ONCE: Final = 2
MOST_POINTS: Final = 1_000_000
"""Of one answer: 25 MB of JSON."""
MOST_PER_SERIES: Final = 10_000
"""Prometheus itself refuses more than 11,000."""

_TRIES: Final = 5
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
_SECONDS: Final = 120.0
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_TOO_MUCH: Final = ("too many", "exceed", "limit", "timed out", "timeout", "too large", "memory")
_ODD_ANSWER: Final = "this is not the Prometheus API"
_HINT: Final = "the URL is that below which /api/v1/query is; Mimir's ends with /prometheus"


class PrometheusError(MoorageError):
    """A server that cannot be asked, or does not answer what it is asked."""


class NoMetricsError(PrometheusError):
    """A server that has no metrics of what it is asked for."""


class _TooMuchError(Exception):
    """The server says that the query is too much for it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a Prometheus API is, and as whom it is asked.

    Args:
        url: that below which ``/api/v1/query`` is.
        headers: sent with every request: ``Authorization``, ``X-Scope-OrgID``. Never shown.
        ca: a file of certificates that are trusted instead of the system's.
        at_once: how many requests are open at the same time.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str = ""
    at_once: int = AT_ONCE


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: msgspec.Raw = msgspec.Raw(b"[]")
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: str = ""
    data: _Data | None = None
    error: str = ""
    warnings: list[str] = []


_DECODER: Final = msgspec.json.Decoder(_Answer)
_NUMBERS: Final = msgspec.json.Decoder(list[float])

Labels = tuple[str, ...]
"""The values of the labels that were asked for, in their order."""


class Prometheus:
    """A client. It may be used by one thread, and uses several by itself."""

    def __init__(self, endpoint: Endpoint, *, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(endpoint.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PrometheusError(
                f"{endpoint.url!r} is not the URL of a server", hint="such as http://host:9090"
            )
        if parts.username or parts.password:
            raise PrometheusError(
                "a password in a URL is seen by everybody who sees the command line",
                hint="put it into a file and name that with --password-file",
            )
        self.url = endpoint.url.rstrip("/")
        self.warnings: list[str] = []
        self._endpoint = endpoint
        self._sleep = sleep
        near = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        # On the way to this machine itself, packing takes longer than sending.
        headers = {"Accept-Encoding": "identity"} if near else {}
        self._client = httpx2.Client(
            headers={**headers, **endpoint.headers},
            timeout=httpx2.Timeout(_SECONDS, connect=10.0),
            verify=_trusted(endpoint.ca),
            trust_env=not near,
        )
        self._pool = ThreadPoolExecutor(endpoint.at_once, "prometheus")

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def instant(self, query: str, when: float, by: Sequence[str]) -> dict[Labels, float]:
        """Return the value of each series at a time."""
        data = self._ask("query", {"query": query, "time": _number(when)})
        found = {}
        for series in data.result:
            value = _float(series.value[1]) if series.value is not None else math.nan
            if math.isfinite(value):
                found[_labels(series, by)] = value
        return found

    def range(
        self, query: str, begin: float, end: float, step: float, by: Sequence[str], *, series: int = 1
    ) -> dict[Labels, Samples]:
        """Return the values of each series on a grid.

        Args:
            query: what is asked for.
            begin: the first time; the grid is of its multiples, so that servers can keep answers.
            end: the last time.
            step: how many seconds lie between two.
            by: the labels that tell series apart.
            series: how many are expected, by which the range is cut into pieces.
        """
        first, last = math.ceil(begin / step), math.floor(end / step)
        pieces = list(_pieces(first, last, series))
        grid = _Grid(step)
        asked = [self._pool.submit(self._piece, query, piece, step, tuple(by)) for piece in pieces]
        try:
            for future in asked:
                for labels, index, values in future.result():
                    grid.add(labels, index, values)
        finally:
            for future in asked:
                future.cancel()
        return grid.samples()

    def _piece(
        self, query: str, piece: tuple[int, int], step: float, by: Sequence[str]
    ) -> list[tuple[Labels, int, Array]]:
        first, last = piece
        try:
            data = self._ask(
                "query_range",
                {
                    "query": query,
                    "start": _number(first * step),
                    "end": _number(last * step),
                    "step": _number(step),
                    # VictoriaMetrics would repeat older values for the last half minute; others pass it over.
                    "latency_offset": "1ms",
                },
            )
        except _TooMuchError as refused:
            if first == last:
                raise PrometheusError(
                    f"{self.url}: {refused}", hint="ask for less: name namespaces with --namespace"
                ) from refused
            middle = (first + last) // 2
            return [
                *self._piece(query, (first, middle), step, by),
                *self._piece(query, (middle + 1, last), step, by),
            ]
        try:
            return [(_labels(series, by), *_values(series.values, step)) for series in data.result]
        except ValueError as error:
            raise PrometheusError(f"{self.url}: {error}", hint=_HINT) from error

    def _ask(self, path: str, form: Mapping[str, str]) -> _Data:
        """Send a request until there is an answer that means something."""
        url = f"{self.url}/api/v1/{path}"
        method, pause, why = "POST", _FIRST_PAUSE, ""
        for _ in range(_TRIES):
            try:
                response = self._send(method, url, form)
            except httpx2.TimeoutException as error:
                if path == "query_range":
                    raise _TooMuchError(f"it does not answer within {_SECONDS:.0f} s") from error
                why = "it does not answer in time"
            except httpx2.TransportError as error:
                why = str(error) or type(error).__name__
            else:
                if response.status_code in {403, 405} and method == "POST":
                    method = "GET"  # a proxy that lets people read and nothing else
                    continue
                answer = _parsed(response.content)
                if answer is not None and answer.status == "success" and answer.data is not None:
                    self.warnings += [each for each in answer.warnings if each not in self.warnings]
                    return answer.data
                why = self._refused(response, answer)
            self._sleep(min(pause * random.uniform(0.8, 1.2), _LONGEST_PAUSE))  # noqa: S311 - spreads
            pause *= 2
        raise PrometheusError(f"{self.url} does not answer: {why}", hint=_HINT)

    def _send(self, method: str, url: str, form: Mapping[str, str]) -> httpx2.Response:
        if method == "POST":
            return self._client.post(url, data=dict(form))
        return self._client.get(url, params=dict(form))

    def _refused(self, response: httpx2.Response, answer: _Answer | None) -> str:
        """Say why there is no answer; raise where asking again is of no use."""
        said = " ".join((answer.error if answer else "").split())
        status = response.status_code
        if status in {401, 403}:
            raise PrometheusError(
                f"{self.url}: {said or f'HTTP {status}'}",
                hint="name a token with --token-file, or a user with --user and --password-file",
            )
        if (status in {413, 422} or status in _BUSY) and any(word in said.lower() for word in _TOO_MUCH):
            raise _TooMuchError(said)
        if status not in _BUSY:
            # What says why speaks the API: then it is not the URL.
            raise PrometheusError(
                f"{self.url}: {said or f'HTTP {status}: {_ODD_ANSWER}'}", hint=None if said else _HINT
            )
        waits = response.headers.get("retry-after", "")
        if waits.isdecimal():
            self._sleep(min(float(waits), _LONGEST_PAUSE))
        return said or f"HTTP {status}"


class _Grid:
    """Puts the pieces of series together."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._parts: dict[Labels, list[tuple[int, Array]]] = {}

    def add(self, labels: Labels, index: int, values: Array) -> None:
        if len(values):
            self._parts.setdefault(labels, []).append((index, values))

    def samples(self) -> dict[Labels, Samples]:
        found = {}
        for labels in list(self._parts):
            parts = self._parts.pop(labels)
            first = min(index for index, _ in parts)
            last = max(index + len(values) for index, values in parts)
            whole = np.full(last - first, np.nan, np.float32)
            for index, values in parts:
                place = whole[index - first : index - first + len(values)]
                # The same series may come twice, with labels that were not asked for: the larger counts.
                np.fmax(place, values, out=place)
            found[labels] = Samples(first * self._step, self._step, whole)
        return found


def _pieces(first: int, last: int, series: int) -> Iterator[tuple[int, int]]:
    """Cut a range of the grid, so that no answer is larger than it may be."""
    length = max(1, min(MOST_PER_SERIES, MOST_POINTS // max(series, 1)))
    for begin in range(first, last + 1, length):
        yield begin, min(begin + length - 1, last)


def _values(raw: msgspec.Raw, step: float) -> tuple[int, Array]:
    """Read ``[[time,"value"],...]`` as numbers on the grid, without an object for each.

    Raises:
        ValueError: it is something else.
    """
    text = b"[%b]" % bytes(raw).translate(None, b'[]"')
    try:
        numbers = np.array(_NUMBERS.decode(text))
    except msgspec.DecodeError:
        # NaN and infinity are no JSON; they are rare.
        numbers = np.array([float(number) for number in text[1:-1].split(b",")])
    if len(numbers) % 2:
        raise ValueError("it answers with what is no pair of a time and a number")
    if not len(numbers):
        return 0, np.empty(0, np.float32)
    places = np.rint(numbers[::2] / step).astype(np.int64)
    values = np.full(int(places[-1] - places[0]) + 1, np.nan, np.float32)
    values[places - places[0]] = numbers[1::2]
    values[np.isinf(values)] = np.nan
    return int(places[0]), values


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _parsed(content: bytes) -> _Answer | None:
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _labels(series: _Series, by: Sequence[str]) -> Labels:
    return tuple(series.metric.get(name, "") for name in by)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _trusted(ca: str) -> Any:
    if not ca:
        return True
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise PrometheusError(f"{ca}: there is no certificate to trust: {error}") from error
