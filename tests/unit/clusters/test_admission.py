"""What is refused, and with which words; what is filled in."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.clusters import claims
from moorage.clusters.admission import (
    ALLOWED,
    ClusterFacts,
    default_cluster,
    default_version,
    judge_cluster,
    judge_machine_type,
    judge_machine_type_deletion,
    judge_project,
    judge_project_deletion,
)
from moorage.clusters.checks import Offer, Problem

from .builders import NOW, OFFER, cluster, cluster_object, machine_type, pool, project

SMALL, LARGE = machine_type(), machine_type("large", cpu="8", memory="32Gi")
TYPES = {"small": SMALL, "large": LARGE}
SIZES = {name: claims.size_of(item) for name, item in TYPES.items()}
OFFERS = {"local": OFFER}


def facts(quota: dict[str, Any] | None = None, siblings: tuple[Any, ...] = (), **more: Any) -> ClusterFacts:
    declared = project(quota=quota) if quota else project()
    found = {"project": declared, "offers": OFFERS, "machine_types": TYPES}
    return ClusterFacts(**{**found, "siblings": siblings, "sizes": SIZES, **more})


def upgrading(version: str, control_plane: str, oldest_node: str) -> Any:
    status = {"version": {"controlPlane": control_plane, "nodes": {"min": oldest_node, "max": control_plane}}}
    return cluster("web", pool(), version=version, status=status)


class TestNewClusters:
    def test_what_can_be_followed_is_let_in(self) -> None:
        assert judge_cluster(cluster("web", pool()), None, facts()) == ALLOWED

    @pytest.mark.parametrize(
        ("declared", "known", "refusal"),
        [
            (
                cluster("web", namespace="default"),
                facts(project=None),
                "clusters are declared in the namespace of a project (project-NAME), which default is not",
            ),
            (cluster("web"), facts(project=None), "there is no project shop"),
            (
                cluster("web", version="1.38"),
                facts(),
                "Kubernetes 1.38 is not offered by provider local (offered: 1.34, 1.35, 1.36, 1.37)",
            ),
            (cluster("web", provider="aws"), facts(), "there is no provider aws (there is: local)"),
            (
                cluster("web", pool(machineType="huge")),
                facts(),
                "node pool main: there is no machine type huge",
            ),
            (
                cluster("web", pool("main", 3)),
                facts({"nodes": 2}),
                "the quota of project shop is exceeded: 3 nodes wanted, 2 of 2 left",
            ),
            (
                cluster("web", pool("main", 2), pool("more", None, min=0, max=4)),
                facts({"nodes": 9}, (cluster("api", pool("main", 4)),)),
                "the quota of project shop is exceeded: 6 nodes wanted, 5 of 9 left",
            ),
            (
                cluster("web", pool("main", 1, machineType="large")),
                facts({"clusters": 1, "cpu": "12", "memory": "40Gi"}, (cluster("api", pool()),)),
                (
                    "the quota of project shop is exceeded: 1 cluster wanted, 0 of 1 left; "
                    "8 CPUs wanted, 6 of 12 left; 32 GiB of memory wanted, 28 of 40 left"
                ),
            ),
        ],
    )
    def test_what_cannot_is_refused_in_one_sentence(
        self, declared: Any, known: ClusterFacts, refusal: str
    ) -> None:
        assert judge_cluster(declared, None, known).refusal == refusal

    def test_a_project_that_goes_takes_no_new_clusters_and_lets_those_it_has_be_changed(self) -> None:
        going = project()
        going = going.model_copy(
            update={"metadata": going.metadata.model_copy(update={"deletion_timestamp": NOW})}
        )

        refused = judge_cluster(cluster("web", pool()), None, facts(project=going))

        assert refused.refusal == "project shop is being deleted"
        changed = judge_cluster(cluster("web", pool("main", 1)), cluster("web", pool()), facts(project=going))
        assert changed.allowed


class TestChanges:
    @pytest.mark.parametrize(
        ("old", "version", "refusal"),
        [
            (upgrading("1.35", "1.35.0", "1.35.0"), "1.36", None),
            (upgrading("1.36", "1.36.1", "1.35.0"), "1.36.1", None),
            (
                upgrading("1.36", "1.36.1", "1.35.0"),
                "1.37",
                "Kubernetes 1.37 has to wait until all runs 1.36: there are nodes at 1.35.0",
            ),
            (
                upgrading("1.36", "1.35.0", "1.35.0"),
                "1.37",
                "Kubernetes 1.37 has to wait until all runs 1.36: the control plane is at 1.35.0",
            ),
            (
                upgrading("1.36", "1.36.1", "1.36.1"),
                "1.36.0",
                "Kubernetes cannot be downgraded to 1.36.0: the control plane is at 1.36.1",
            ),
            (cluster("web", pool(), version="1.36"), "1.37", None),
        ],
    )
    def test_of_the_version_go_one_minor_at_a_time_from_what_runs(
        self, old: Any, version: str, refusal: str | None
    ) -> None:
        new = old.model_copy(update={"spec": old.spec.model_copy(update={"version": version})})

        assert judge_cluster(new, old, facts()).refusal == refusal

    def test_are_not_refused_for_a_fault_that_is_older(self) -> None:
        before = cluster("web", pool(machineType="gone"), version="1.30")
        after = cluster("web", pool("main", 1, machineType="gone"), version="1.30")

        assert judge_cluster(after, before, facts()).allowed
        worse = cluster("web", pool("main", 1, machineType="also-gone"), version="1.30")
        assert not judge_cluster(worse, before, facts()).allowed

    def test_that_shrink_are_let_through_also_where_too_much_is_in_use(self) -> None:
        known = facts({"nodes": 2})

        assert judge_cluster(cluster("web", pool("main", 4)), cluster("web", pool("main", 5)), known).allowed
        refused = judge_cluster(cluster("web", pool("main", 6)), cluster("web", pool("main", 5)), known)
        assert refused.refusal == "the quota of project shop is exceeded: 6 nodes wanted, 2 of 2 left"

    def test_of_what_is_on_its_way_out_are_not_judged(self) -> None:
        assert judge_cluster(cluster("web", version="9.9", deleting=True), None, facts(project=None)).allowed


WINDOW = {"days": ["Sunday"], "start": "02:00"}
GIVEN = {
    "version": "1.35",
    "provider": "openstack",
    "machineType": "large",
    "cni": {"name": "cilium"},
    "maintenanceWindow": WINDOW,
}


class TestDefaults:
    def declared(self, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": "web", "namespace": "project-shop"}, "spec": spec}

    def test_a_new_cluster_gets_what_it_leaves_out(self) -> None:
        pools = [{"name": "main", "replicas": 3}, {"name": "own", "machineType": "small", "replicas": 1}]

        spec = default_cluster(self.declared(nodePools=pools), None, project(defaults=GIVEN))

        assert spec == {
            "version": "1.35",
            "provider": "openstack",
            "cni": {"name": "cilium"},
            "maintenanceWindow": WINDOW,
            "nodePools": [{"name": "main", "replicas": 3, "machineType": "large"}, pools[1]],
        }

    def test_what_it_says_itself_stays(self) -> None:
        spec = {
            "version": "1.36",
            "provider": "local",
            "cni": {"name": "x"},
            "maintenanceWindow": WINDOW,
        }

        assert default_cluster(self.declared(**spec), None, project(defaults=GIVEN)) == spec

    def test_without_a_default_the_provider_is_local_and_the_rest_is_left_to_the_schema(self) -> None:
        assert default_cluster(self.declared(), None, project()) == {"provider": "local"}
        assert default_cluster({"metadata": {}}, None, None) == {"provider": "local"}

    def test_a_version_that_nobody_has_chosen_is_the_newest_minor_of_the_provider(self) -> None:
        assert default_version({"provider": "local"}, OFFERS) == "1.37"
        unknown = default_version({"provider": "aws"}, OFFERS)
        assert unknown == Problem("ProviderUnknown", "there is no provider aws (there is: local)")
        assert isinstance(default_version({"provider": "new"}, {"new": Offer("new", ())}), Problem)

    def test_whoever_declares_it_again_without_keeps_what_it_once_got(self) -> None:
        old = cluster_object("web", pool("main", 3, machineType="small"), cni={"name": "old"}, version="1.36")
        again = self.declared(nodePools=[{"name": "main", "replicas": 5}, {"name": "new", "replicas": 1}])

        spec = default_cluster(again, old, project(defaults=GIVEN))

        assert (spec["version"], spec["provider"], spec["cni"]) == ("1.36", "local", {"name": "old"})
        assert [item["machineType"] for item in spec["nodePools"]] == ["small", "large"]

    def test_a_plugin_that_it_never_had_is_not_given_to_it_later(self) -> None:
        old = cluster_object("web", pool())

        assert "cni" not in default_cluster(self.declared(), old, project(defaults=GIVEN))

    def test_what_is_malformed_is_left_for_the_schema_to_refuse(self) -> None:
        for malformed in ("x", ["x"], [None], [{"name": 3}]):
            spec = default_cluster(self.declared(nodePools=malformed), None, project())
            assert spec["nodePools"] == malformed


class TestProjects:
    def test_defaults_must_be_on_offer(self) -> None:
        def refusal(**defaults: Any) -> str | None:
            return judge_project(project(defaults=defaults), None, OFFERS, TYPES).refusal

        assert refusal(version="1.36", machineType="small") is None
        assert refusal(provider="aws") == "the project's defaults: there is no provider aws (there is: local)"
        assert refusal(version="1.40") == (
            "the project's defaults: Kubernetes 1.40 is not offered by provider local "
            "(offered: 1.34, 1.35, 1.36, 1.37)"
        )
        assert refusal(machineType="huge") == "the project's defaults: there is no machine type huge"

    def test_a_member_can_be_added_also_when_the_defaults_have_gone_out_of_date(self) -> None:
        old = project(defaults={"version": "1.30"})
        new = project(defaults={"version": "1.30"}, members=[{"name": "alice", "role": "owner"}])

        assert judge_project(new, old, OFFERS, TYPES).allowed

    def test_a_quota_below_what_is_in_use_is_allowed_with_a_warning(self) -> None:
        low = project(quota={"nodes": 2})
        used = low.model_validate(
            {**low.wire(), "status": {"used": {"clusters": 1, "nodes": 5, "cpu": "10", "memory": "20Gi"}}}
        )

        verdict = judge_project(used, None, OFFERS, TYPES)

        assert verdict.allowed
        assert "more than this quota allows" in verdict.warnings[0]
        assert judge_project(low, None, OFFERS, TYPES).warnings == ()

    def test_a_project_with_clusters_stays(self) -> None:
        assert judge_project_deletion("shop", []) == ALLOWED
        assert judge_project_deletion("shop", ["web"]).refusal == (
            "project shop still has 1 cluster (web): delete it first"
        )
        assert judge_project_deletion("shop", ["a", "b", "c", "d"]).refusal == (
            "project shop still has 4 clusters (a, b, c and 1 more): delete them first"
        )


class TestMachineTypes:
    USERS = (cluster("web", pool()), cluster("api", controlPlane={"machineType": "small"}))

    def test_one_that_is_used_stays(self) -> None:
        assert judge_machine_type_deletion("large", self.USERS) == ALLOWED
        assert judge_machine_type_deletion("small", self.USERS).refusal == (
            "machine type small is used by 2 clusters (shop/api, shop/web): "
            "move their node pools to another type first"
        )

    def test_one_that_is_used_stays_with_the_provider_of_its_users(self) -> None:
        both = machine_type(local={}, openstack={"flavor": "x"})
        cloud = machine_type(openstack={"flavor": "x"})

        assert judge_machine_type(both, SMALL, self.USERS).allowed
        assert judge_machine_type(cloud, both, ()).allowed
        assert judge_machine_type(cloud, both, self.USERS).refusal == (
            "machine type small is used by shop/api, shop/web, whose provider would not offer it any more: "
            "move their node pools to another type first"
        )
        assert judge_machine_type(SMALL, both, self.USERS).allowed, "nobody uses it through openstack"
