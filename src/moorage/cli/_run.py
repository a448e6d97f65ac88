"""Running what is asynchronous, and saying for a person what an API server answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from moorage.cli._identity import management_kubeconfig
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from lightkube import AsyncClient
    from lightkube.core.exceptions import ApiError

Result = TypeVar("Result")

FIELD_MANAGER = "moorage-cli"
"""Who holds the fields that the command line declares."""


class RefusedError(MoorageError):
    """The API server's answer is no."""


class UnreachableError(MoorageError):
    """The API server gives no answer."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(
            f"the management cluster of {kubeconfig} does not answer",
            hint="`moorage status` shows what runs, `moorage up` starts it",
        )


@asynccontextmanager
async def management() -> AsyncIterator[AsyncClient]:
    """Connect to the management cluster."""
    from moorage.kube.client import connect

    async with connect(management_kubeconfig()) as client:
        yield client


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's asynchronous part.

    Raises:
        MoorageError: also in place of what an API server refuses, or of its silence.
    """
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        raise _translated(_first(group)) from group
    except Exception as error:
        raise _translated(error) from error


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, MoorageError):
        return error
    from lightkube.core.exceptions import ApiError, ConfigError

    from moorage.kube.objects import UNREACHABLE

    if isinstance(error, ApiError):
        return refusal(error)
    if isinstance(error, UNREACHABLE):
        return UnreachableError(management_kubeconfig())
    if isinstance(error, ConfigError):  # such as a credential plugin that fails
        return MoorageError(f"{management_kubeconfig()} cannot be used: {error}")
    return error


def refusal(error: ApiError) -> RefusedError:
    """Say what an API server refused, without the words that belong to its machinery."""
    status = error.status
    causes = (status.details.causes if status.details else None) or ()
    said = [
        _cause(cause.field or "", cause.message or "")
        for cause in causes
        if _INCOMPLETE not in (cause.message or "")
    ]
    if said and status.reason == "Invalid":
        message = "; ".join(dict.fromkeys(said))
    else:
        message = clean(status.message or status.reason or str(error))
    if denied := _DENIED.search(message):
        what = f"{denied['verb']} {denied['resource']}{_where(denied['namespace'])}"
        return RefusedError(
            f"{person(denied['user'])} may not {what}",
            hint="an owner of the project can give another role: `moorage project member add`",
        )
    if status.code == HTTPStatus.UNAUTHORIZED:
        return RefusedError(message, hint="the kubeconfig's credential is not valid here, or no longer")
    return RefusedError(message, hint=next((hint for words, hint in _HINTS if words.search(message)), None))


_HINTS = (
    (re.compile(r"there is no machine type \S"), "`moorage machinetype list` shows those there are"),
    (
        re.compile(r"machine type \S+ is not offered by provider "),
        "`moorage machinetype list` shows what each provider offers",
    ),
)
"""What to do about a refusal, by words of it; what names the choices itself needs none."""


_DENIED = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"'
    r'(?:.* in the namespace "(?P<namespace>[^"]+)")?'
)
_ACCOUNT = re.compile(r"^(?:system:serviceaccount:[^:]+|moorage):member-(?P<slug>.+)-[0-9a-f]{8}$")

_PLATFORM = frozenset({"moorage:operator", "moorage:auto"})


def person(user: str) -> str:
    """Return a user as people know them: a member of a project by the member's name."""
    if user in _PLATFORM:
        return "the platform"
    account = _ACCOUNT.match(user)
    return account["slug"] if account else user


def _where(namespace: str | None) -> str:
    from moorage.api.meta import project_of

    project = project_of(namespace or "")
    return f" in project {project}" if project else f" in namespace {namespace}" if namespace else ""


_BOILERPLATE = (
    re.compile(r'^admission webhook "[^"]+" denied the request: '),
    re.compile(r"^.*ValidatingAdmissionPolicy '[^']+' with binding '[^']+' denied request: "),
    re.compile(r'^\S+ "[^"]+" is invalid: '),
)


def clean(message: str) -> str:
    """Return a refusal's message without the API server's preamble."""
    for preamble in _BOILERPLATE:
        message = preamble.sub("", message, count=1)
    return " ".join(message.split())


def _cause(field: str, message: str) -> str:
    """Return one complaint about a field; the value that it repeats is what the person has just typed."""
    message = _PROBLEM.sub("", message, count=1)
    if message.startswith("a lowercase RFC 1123 "):
        message = "lower-case letters, digits and '-', with a letter or digit at both ends"
    return f"{field}: {message}" if field and field != "<nil>" else message


_PROBLEM = re.compile(
    r'^(Invalid value|Unsupported value): ("(?:[^"\\]|\\.)*": |\S+: )?|^(Forbidden|Required value): '
)
_INCOMPLETE = "some validation rules were not checked"
