"""The configuration of an API server: who it believes, what it records, what it encrypts."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from moorage.local import kubeconfig
from moorage.local.controlplane import (
    API_SERVER,
    CONTROLLER_MANAGER,
    KWOK,
    SCHEDULER,
    ControlPlane,
    EtcdClient,
)
from moorage.local.material import (
    ClusterKeys,
    TokenIssuer,
    audit_policy,
    authentication,
    component_users,
    encryption,
    write_material,
)
from moorage.local.pki import PkiFolder

KEYS = ClusterKeys.generate("test")
ISSUER = TokenIssuer(
    url="https://127.0.0.1:20000",
    authority=KEYS.authority.certificate,
    audience="https://moorage.dev/clusters/uid",
    namespace="project-shop",
)
HEALTH = ["/healthz", "/livez", "/readyz"]


def plane(folder: Path) -> ControlPlane:
    return ControlPlane(
        id="c1",
        folder=folder / "c1",
        pki=PkiFolder(folder / "c1" / "pki"),
        ports={API_SERVER: 20001},
        binaries={},
        etcd=EtcdClient("https://127.0.0.1:20000", PkiFolder(folder), "c1"),
        etcd_prefix="/clusters/c1",
    )


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nobody_sees_more_than_the_health_of_the_server() -> None:
    config = authentication(None, ())
    assert [item["path"] for item in config["anonymous"]["conditions"]] == HEALTH
    assert "jwt" not in config


def test_what_is_to_be_public_is_named() -> None:
    config = authentication(None, ["/openid/v1/jwks"])
    assert [item["path"] for item in config["anonymous"]["conditions"]] == [*HEALTH, "/openid/v1/jwks"]


def test_tokens_of_one_issuer_for_one_audience_of_one_project_are_believed() -> None:
    [jwt] = authentication(ISSUER, ())["jwt"]
    assert jwt["issuer"] == {
        "url": ISSUER.url,
        "certificateAuthority": ISSUER.authority.decode(),
        "audiences": [ISSUER.audience],
    }
    rules = [rule["expression"] for rule in jwt["claimValidationRules"]]
    assert rules == [
        "claims['kubernetes.io'].namespace == 'project-shop'",
        "claims['kubernetes.io'].serviceaccount.name.startsWith('member-')",
        "claims.exp - claims.iat <= 3600",
    ]
    assert all(rule["message"] for rule in jwt["claimValidationRules"])


def test_a_member_can_be_nobody_but_a_member() -> None:
    [jwt] = authentication(ISSUER, ())["jwt"]
    assert jwt["claimMappings"]["username"]["expression"].startswith("'moorage:' + ")
    assert jwt["claimMappings"]["groups"]["expression"] == "['moorage:members']"


def test_secrets_are_encrypted_by_the_first_provider() -> None:
    [rule] = encryption(KEYS.encryption_key)["resources"]
    assert rule["resources"] == ["secrets"]
    first, last = rule["providers"]
    assert b64decode(first["secretbox"]["keys"][0]["secret"]) == KEYS.encryption_key
    assert last == {"identity": {}}
    assert len(KEYS.encryption_key) == 32


def test_no_body_is_ever_recorded() -> None:
    policy = audit_policy()
    assert {rule["level"] for rule in policy["rules"]} == {"None", "Metadata"}
    assert policy["rules"][-1] == {"level": "Metadata"}
    assert policy["omitManagedFields"]


def test_every_read_of_a_secret_is_recorded_also_by_kubernetes_own_parts() -> None:
    rules = audit_policy()["rules"]
    reads = next(at for at, rule in enumerate(rules) if "list" in rule.get("verbs", ()))
    assert "system:kube-controller-manager" in rules[reads]["users"]
    secrets = {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]}
    assert rules.index(secrets) < reads


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    users = component_users([CONTROLLER_MANAGER, SCHEDULER, KWOK])
    write_material(plane(tmp_path), KEYS, users, issuer=ISSUER)
    before = written(tmp_path)
    write_material(plane(tmp_path), KEYS, users, issuer=ISSUER)
    assert written(tmp_path) == before


def test_all_of_it_can_be_lost_and_is_made_again_for_the_same_cluster(tmp_path: Path) -> None:
    users = component_users([KWOK])
    write_material(plane(tmp_path), KEYS, users, issuer=ISSUER)
    before = written(tmp_path)
    for name in before:
        (tmp_path / name).unlink()
    write_material(plane(tmp_path), KEYS, users, issuer=ISSUER)
    after = written(tmp_path)
    assert after.keys() == before.keys()
    kept = [name for name in before if after[name] == before[name]]
    assert {"c1/pki/ca.crt", "c1/pki/ca.key", "c1/pki/service-account.key", "c1/encryption.yaml"} <= set(kept)


def test_a_new_authority_makes_every_certificate_new(tmp_path: Path) -> None:
    users = component_users([KWOK])
    write_material(plane(tmp_path), KEYS, users)
    before = written(tmp_path)
    write_material(plane(tmp_path), replace(KEYS, authority=ClusterKeys.generate("test").authority), users)
    after = written(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert {f"c1/pki/{name}.crt" for name in ("ca", API_SERVER, KWOK)} <= changed
    assert "c1/pki/front-proxy-client.crt" not in changed


@pytest.mark.parametrize("component", [CONTROLLER_MANAGER, SCHEDULER, KWOK])
def test_a_components_kubeconfig_names_files_that_are_there(tmp_path: Path, component: str) -> None:
    here = plane(tmp_path)
    write_material(here, KEYS, component_users([component]))
    config = yaml.safe_load(here.kubeconfig(component).read_text())
    [cluster], [user], [context] = config["clusters"], config["users"], config["contexts"]
    assert config["current-context"] == context["name"]
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert cluster["cluster"]["server"] == here.server
    files = (cluster["cluster"]["certificate-authority"], *user["user"].values())
    assert all(Path(file).is_file() for file in files)


def test_a_kubeconfig_that_is_handed_out_needs_no_file() -> None:
    config = kubeconfig.self_contained("https://x:1", b"authority", KEYS.authority, "jane", cluster="c1")
    assert b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]) == b"authority"
    user = config["users"][0]["user"]
    assert b64decode(user["client-certificate-data"]) == KEYS.authority.certificate
    assert b64decode(user["client-key-data"]) == KEYS.authority.key
    assert yaml.safe_load(kubeconfig.render(config)) == config


def test_of_a_user_cluster_the_audit_log_keeps_workloads_that_people_declare_and_no_other_body() -> None:
    rules = audit_policy(workloads=True)["rules"]
    bodies = [rule for rule in rules if rule["level"] in ("Request", "RequestResponse")]
    kept = {resource for rule in bodies for group in rule["resources"] for resource in group["resources"]}
    assert {"pods", "deployments", "cronjobs"} <= kept
    assert kept.isdisjoint({"secrets", "configmaps", "serviceaccounts/token", "*"})
    before = rules[: rules.index(bodies[0])]
    assert any("system:serviceaccounts:kube-system" in rule.get("userGroups", ()) for rule in before)
