"""``moorage token``: the credential plugin that kubectl runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

from moorage.errors import ExitCode, MoorageError

if TYPE_CHECKING:
    from moorage.cli._request import AnswerError

LIFETIME_SECONDS = 3600


class _Parser(argparse.ArgumentParser):
    """A parser that tells errors as all commands of moorage do."""

    def error(self, message: str) -> NoReturn:
        raise MoorageError(message, hint=f"`{self.prog} --help` shows what there is")


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    parser = _Parser(
        prog="moorage token",
        description="Print a token of at most one hour, as kubectl asks for it (an ExecCredential).",
        epilog="The kubeconfigs that moorage writes call it; a person seldom does.",
        allow_abbrev=False,
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--cluster", metavar="PROJECT/NAME", help="a token for this user cluster")
    target.add_argument("--project", metavar="NAME", help="a token for the management cluster")
    parser.add_argument("--as", dest="user", metavar="USER", help="which member; default: who you are here")
    parser.add_argument("--raw", action="store_true", help="print the token alone")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Raises:
        MoorageError: there is no such cluster or member, or the API server does not answer.
    """
    try:
        options = parser().parse_args(list(arguments))
    except SystemExit as ended:  # after --help
        return int(ended.code or 0)
    project, cluster = _target(options)
    token, expires = request_token(project, cluster, user=options.user or _current_user())
    if options.raw:
        sys.stdout.write(f"{token}\n")
    else:
        credential = {
            "apiVersion": _asked_version(),
            "kind": "ExecCredential",
            "status": {"token": token, "expirationTimestamp": expires},
        }
        sys.stdout.write(json.dumps(credential) + "\n")
    return ExitCode.OK


def request_token(project: str, cluster: str | None, *, user: str) -> tuple[str, str]:
    """Ask the management cluster for a member's token; return it and when it ends.

    Args:
        project: The project whose member it is.
        cluster: The cluster that will take the token; without it, it is for the management cluster.
        user: The member.
    """
    from moorage.api.meta import project_namespace
    from moorage.cli._identity import management_kubeconfig
    from moorage.cli._request import AnswerError, ApiServer
    from moorage.clusters.names import member_account, token_audience

    namespace = project_namespace(project)
    server = ApiServer(management_kubeconfig())
    spec: dict[str, object] = {"expirationSeconds": LIFETIME_SECONDS}
    try:
        if cluster:
            found = server.request(
                "GET", f"/apis/moorage.dev/v1alpha1/namespaces/{namespace}/kubernetesclusters/{cluster}"
            )
            spec["audiences"] = [token_audience(found["metadata"]["uid"])]
        answer = server.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{member_account(user)}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        )
    except AnswerError as error:
        raise _explained(error, project, cluster, user) from error
    finally:
        server.close()
    status = answer["status"]
    return status["token"], status["expirationTimestamp"]


def _explained(error: AnswerError, project: str, cluster: str | None, user: str) -> MoorageError:
    if error.status != HTTPStatus.NOT_FOUND:
        return error
    if cluster and "serviceaccounts" not in error.message:
        return MoorageError(
            f"there is no cluster {project}/{cluster}",
            hint="`moorage cluster list --all` shows those there are",
        )
    return MoorageError(
        f"{user} is not a member of project {project}",
        hint=f"an owner adds them: `moorage project member add {project} {user} --role viewer`",
    )


def _target(options: argparse.Namespace) -> tuple[str, str | None]:
    project, slash, cluster = str(options.cluster or options.project).partition("/")
    if options.cluster and not (project and cluster):
        raise MoorageError(f"{options.cluster!r} is not PROJECT/NAME")
    if options.project and (slash or not project):
        raise MoorageError(f"{options.project!r} is not the name of a project")
    return project, cluster or None


def _asked_version() -> str:
    """Return the version of the credential that the caller asks for; clients refuse another."""
    try:
        return str(json.loads(os.environ["KUBERNETES_EXEC_INFO"])["apiVersion"])
    except (KeyError, ValueError, TypeError):
        return "client.authentication.k8s.io/v1"


def _current_user() -> str:
    import getpass

    return getpass.getuser()
