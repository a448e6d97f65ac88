"""How an API server's refusal is told to a person."""

from __future__ import annotations

import pytest
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import Status, StatusCause, StatusDetails

from moorage.cli import _run
from moorage.cli._run import RefusedError, UnreachableError, clean, refusal


def answer(message, reason="Forbidden", code=403, causes=()):
    details = StatusDetails(causes=[StatusCause(field=field, message=text) for field, text in causes])
    return ApiError(status=Status(message=message, reason=reason, code=code, details=details))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            (
                'admission webhook "kubernetesclusters.moorage.dev" denied the request: '
                "Kubernetes 1.38 is not offered by provider local (offered: 1.36, 1.37)"
            ),
            "Kubernetes 1.38 is not offered by provider local (offered: 1.36, 1.37)",
        ),
        (
            (
                'projects.moorage.dev "shop" is forbidden: ValidatingAdmissionPolicy '
                "'moorage-quota' with binding 'moorage-quota' denied request: only we set quota"
            ),
            "only we set quota",
        ),
        ('KubernetesCluster.moorage.dev "web" is invalid: too long', "too long"),
        ("something\nelse", "something else"),
    ],
)
def test_the_machinery_is_left_out(said, told):
    assert clean(said) == told


def test_an_invalid_object_is_told_by_its_causes_once_each():
    causes = [
        ("spec.nodePools[0]", 'Invalid value: "object": node pool w needs either replicas, or min and max'),
        ("spec.nodePools[0]", 'Invalid value: "object": node pool w needs either replicas, or min and max'),
        ("spec.version", 'Invalid value: "1.x": "1.x" is not a Kubernetes version'),
    ]
    error = refusal(answer("long", "Invalid", 422, causes))
    assert error.message == (
        "spec.nodePools[0]: node pool w needs either replicas, or min and max; "
        'spec.version: "1.x" is not a Kubernetes version'
    )


def test_what_a_name_may_be_is_told_in_a_few_words():
    rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
    error = refusal(answer("long", "Invalid", 422, [("metadata.name", f'Invalid value: "Shop": {rule}')]))
    assert error.message == (
        "metadata.name: lower-case letters, digits and '-', with a letter or digit at both ends"
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            (
                'kubernetesclusters.moorage.dev "web" is forbidden: '
                'User "system:serviceaccount:project-shop:member-bob-81b637d8" cannot patch resource '
                '"kubernetesclusters" in API group "moorage.dev" in the namespace "project-shop"'
            ),
            "bob may not patch kubernetesclusters in project shop",
        ),
        (
            (
                'projects is forbidden: User "eve" cannot list resource "projects" in API group "m" '
                "at the cluster scope"
            ),
            "eve may not list projects",
        ),
        (
            (
                'secrets is forbidden: User "eve" cannot get resource "secrets" in API group "" '
                'in the namespace "kube-system"'
            ),
            "eve may not get secrets in namespace kube-system",
        ),
    ],
)
def test_who_lacks_permission_is_told_so_and_who_can_give_it(said, told):
    error = refusal(answer(said))
    assert error.message == told
    assert "moorage project member add" in (error.hint or "")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("node pool w: there is no machine type hugge", "`moorage machinetype list` shows those there are"),
        (
            "node pool w: machine type big is not offered by provider local",
            "`moorage machinetype list` shows what each provider offers",
        ),
        ("Kubernetes 1.38 is not offered by provider local (offered: 1.36)", None),
    ],
)
def test_who_names_a_machine_type_that_is_not_there_is_told_where_to_look(said, hint):
    assert refusal(answer(f'admission webhook "v.moorage.dev" denied the request: {said}')).hint == hint


def test_a_policy_of_the_platform_is_not_a_matter_of_roles():
    assert refusal(answer("only the platform team sets quota")).hint is None


def test_a_credential_that_is_not_valid_is_named():
    assert "credential" in (refusal(answer("Unauthorized", "Unauthorized", 401)).hint or "")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('Invalid value: "a \\"b\\" c": it is not a name', "f: it is not a name"),
        ("Invalid value: 7: it is too many", "f: it is too many"),
        ("Invalid value: the name of a project has no dots", "f: the name of a project has no dots"),
        ("Required value", "f: Required value"),
        ("Forbidden: may not be set", "f: may not be set"),
    ],
)
def test_a_cause_is_told_without_the_value_that_was_typed(message, told):
    causes = [
        ("f", message),
        ("<nil>", "Invalid value: null: some validation rules were not checked because x"),
    ]
    assert refusal(answer("long", "Invalid", 422, causes)).message == told


async def _raise(error):
    raise error


def test_errors_of_an_api_server_become_errors_for_a_person():
    with pytest.raises(RefusedError, match="denied"):
        _run.run(_raise(answer("denied")))
    with pytest.raises(RefusedError, match="denied"):
        _run.run(_raise(ExceptionGroup("several", [answer("denied")])))


def test_a_silent_api_server_is_named(monkeypatch, tmp_path):
    import httpx2

    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    monkeypatch.setenv("MOORAGE_KUBECONFIG", str(kubeconfig))
    with pytest.raises(UnreachableError, match=str(kubeconfig)):
        _run.run(_raise(httpx2.ConnectError("refused")))


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        _run.run(_raise(ZeroDivisionError()))
