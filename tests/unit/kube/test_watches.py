"""Where kinds are listed: by that the lists that kopf makes are told from its other requests."""

from __future__ import annotations

import pytest

from moorage.kube.kinds import KUBERNETES_CLUSTER, NODE, SECRET, Kind
from moorage.kube.watches import collection_path


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (SECRET, "/api/v1/secrets"),
        (NODE, "/api/v1/nodes"),
        (KUBERNETES_CLUSTER, "/apis/moorage.dev/v1alpha1/kubernetesclusters"),
    ],
)
def test_all_objects_of_a_kind_are_listed_at_one_path(kind: Kind, path: str) -> None:
    assert collection_path(kind) == path
