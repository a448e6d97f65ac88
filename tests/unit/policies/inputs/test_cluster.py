"""Asking a cluster: by a kubectl that answers as told. `tests/e2e/test_policy.py` asks a real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from moorage.manifests.model import InputError
from moorage.policies.inputs.cluster import Cluster
from moorage.policies.model import GroupVersionKind

INGRESS = GroupVersionKind("networking.k8s.io", "v1", "Ingress")
RESOURCES = """\
nodes    no   v1        false   Node
things   th   x.io/v1   false   Thing
pods          v1        true    Pod
"""
SERVICE = GroupVersionKind("", "v1", "Service")


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`kubectl({"namespaces": ...})` says what there is; what it was asked is in the file that it returns."""
    monkeypatch.setenv("MOORAGE_TOOLS", str(tmp_path))

    def install(answers: dict[str, str | dict], *, error: str = "") -> Path:
        asked = tmp_path / "asked"
        script = tmp_path / "kubectl"
        script.write_text(
            f"#!{sys.executable}\n"
            "import sys, json\n"
            f"answers, error = json.loads({json.dumps(json.dumps(answers))}), {error!r}\n"
            f"open({str(asked)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
            "what = next((word for word in sys.argv[1:] if word in answers), '')\n"
            "if not what:\n"
            "    sys.exit(error or 'error: the server doesn\\'t have a resource type \"x\"')\n"
            "found = answers[what]\n"
            "print(found if isinstance(found, str) else json.dumps(found))\n"
        )
        script.chmod(0o755)
        return asked

    return install


def items(*names: str) -> dict:
    return {"items": [{"metadata": {"name": name, "managedFields": ["much"]}} for name in names]}


def test_a_cluster_says_what_there_is(kubectl):
    asked = kubectl(
        {
            "namespaces": items("shop"),
            "Ingress.v1.networking.k8s.io": items("web"),
            "Service.v1.": items("svc"),
            "api-resources": RESOURCES,
        }
    )
    live = Cluster("prod", "/kube/config").read([INGRESS, SERVICE, INGRESS])
    assert [each["metadata"]["name"] for each in live.namespaces] == ["shop"]
    assert live.exceptions == []  # the cluster does not know them
    assert {each["metadata"]["name"] for each in live.inventory} == {"web", "svc"}
    assert "managedFields" not in live.namespaces[0]["metadata"]
    assert live.scopes == {("", "Node"): False, ("x.io", "Thing"): False, ("", "Pod"): True}
    lines = asked.read_text().splitlines()
    assert len(lines) == 5
    assert all("--context=prod" in line and "--kubeconfig=/kube/config" in line for line in lines)


def test_a_cluster_that_does_not_answer_is_an_error_in_kubectls_words(kubectl):
    kubectl({}, error='error: context "nope" does not exist')
    with pytest.raises(InputError, match='context nope cannot be read: context "nope" does not exist'):
        Cluster("nope").read([])
