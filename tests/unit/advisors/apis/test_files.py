"""Manifests: what is found in them, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.apis.files import Sieve, read_files
from moorage.advisors.apis.model import How, Seen
from moorage.advisors.apis.table import table

from .helpers import TABLE

CRON = """\
# a comment
apiVersion: batch/v1beta1
kind: CronJob
metadata:
  name: report
  namespace: shop
"""


def read(folder: Path, **files: str) -> Seen:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return read_files([str(folder)], TABLE)


def found(seen: Seen) -> list[tuple[str, str, int | None]]:
    return [(each.how.value, each.thing, each.location.line) for each in seen.sightings]


def test_an_object_is_found_at_the_line_of_its_version(tmp_path: Path) -> None:
    seen = read(tmp_path, a=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n---\n{CRON}")
    assert found(seen) == [("manifest", "CronJob shop/report", 6)]
    assert seen.sightings[0].location.file == str(tmp_path / "a.yaml")


def test_an_item_of_a_list_is_found_at_its_own_line(tmp_path: Path) -> None:
    items = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n" + "".join(
        f"{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(CRON.splitlines()[1:])
    )
    assert found(read(tmp_path, a=items)) == [("manifest", "CronJob shop/report", 6)]


@pytest.mark.parametrize(
    "version",
    [
        '"batch/v1beta1"',
        "'batch/v1beta1'",
        '"\\x62atch/v1beta1"',
        '"batch\\/v1beta1"',
        '"batch/\\\n  v1beta1"',
        "!!binary YmF0Y2gvdjFiZXRhMQ==",
        "!<tag:yaml.org,2002:binary> YmF0Y2gvdjFiZXRhMQ==",
        "!!bin%61ry YmF0Y2gvdjFiZXRhMQ==",
    ],
)
def test_a_version_is_found_however_it_is_written(tmp_path: Path, version: str) -> None:
    text = f"apiVersion: {version}\nkind: CronJob\nmetadata: {{name: a}}\n"
    seen = read(tmp_path, a=text)
    # `\\/` is an escape that Kubernetes' parser does not know: it is said, and not overlooked.
    assert found(seen) == [("manifest", "CronJob a", 1)] or "\\/" in seen.unread[0]


def test_json_with_escapes_is_read(tmp_path: Path) -> None:
    text = json.dumps({"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "a"}})
    (tmp_path / "a.json").write_text(text.replace("/", "\\/"))
    (tmp_path / "b.json").write_text(text.replace("batch", "\\u0062atch"))
    seen = read_files([str(tmp_path)], TABLE)
    assert [each.thing for each in seen.sightings] == ["CronJob a", "CronJob a"]


def test_an_anchor_says_it_elsewhere(tmp_path: Path) -> None:
    seen = read(
        tmp_path,
        a="metadata: {name: a, annotations: {x: &v batch/v1beta1}}\napiVersion: *v\nkind: CronJob\n",
    )
    assert [each.thing for each in seen.sightings] == ["CronJob a"]


@pytest.mark.parametrize(
    "text",
    [
        "# apiVersion: batch/v1beta1\napiVersion: batch/v1\nkind: CronJob\n",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n    apiVersion: batch/v1beta1\n    kind: CronJob\n",
        "apiVersion: batch/v1beta1\nkind: Job\n",
        "apiVersion: mybatch/v1beta1\nkind: CronJob\n",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {annotations: {was: batch/v1beta1}}\n",
    ],
)
def test_what_only_looks_like_it_is_not_found(tmp_path: Path, text: str) -> None:
    seen = read(tmp_path, a=text)
    assert (found(seen), seen.unread) == ([], ())


def test_references_are_found_and_what_the_server_writes_is_not(tmp_path: Path) -> None:
    text = """\
apiVersion: example.com/v1
kind: Bundle
metadata:
  name: all
  managedFields:
  - {apiVersion: batch/v1beta1, kind: CronJob}
  ownerReferences:
  - apiVersion: batch/v1beta1
    kind: CronJob
    name: report
spec:
  parts:
  - target:
      apiVersion: policy/v1beta1
      kind: PodDisruptionBudget
status:
  apiVersion: batch/v1beta1
  kind: CronJob
"""
    seen = read(tmp_path, a=text)
    assert [(each.field, each.location.line) for each in seen.sightings] == [
        ("metadata.ownerReferences[0].apiVersion", 8),
        ("spec.parts[0].target.apiVersion", 14),
    ]
    assert {each.how for each in seen.sightings} == {How.NAMED}


def test_a_webhook_that_matches_only_what_goes_is_found(tmp_path: Path) -> None:
    def hook(groups: str, versions: str) -> str:
        return (
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n"
            "metadata: {name: guard}\nwebhooks:\n- name: a.example.com\n  rules:\n"
            f"  - {{apiGroups: [{groups}], apiVersions: [{versions}], resources: [cronjobs, jobs]}}\n"
        )

    seen = read(
        tmp_path,
        a=hook("batch", "v1beta1"),
        b=hook("batch", "v1beta1, v1"),
        c=hook("batch", "'*'"),
        d=hook("'*'", "v1beta1"),
        e=hook("batch", "v2alpha1"),
        f=hook("batch, apps", "v1beta1"),
    )
    assert [(each.how, Path(each.location.file).name, each.location.line) for each in seen.sightings] == [
        (How.MATCHED, "a.yaml", 7)
    ]


def test_a_file_that_was_named_is_said_to_be_broken_whatever_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("kind: x\n  foo: : [bar\n")
    seen = read_files([str(file)], TABLE)
    assert len(seen.unread) == 1
    assert f"{file}:2:6: this is not YAML" in seen.unread[0]
    assert read_files([str(tmp_path)], TABLE).unread == ()


def test_a_file_that_cannot_name_what_goes_is_left_alone_even_if_broken(tmp_path: Path) -> None:
    seen = read(tmp_path, a="apiVersion: [\n", b="apiVersion: batch/v1beta1\nkind: [\n")
    assert len(seen.unread) == 1
    assert "b.yaml" in seen.unread[0]
    assert seen.facts == {"manifests": 2, "withoutAnyThatGoes": 1}


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "no such file" in read_files([str(tmp_path / "none")], TABLE).unread[0]


@settings(deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_files_makes_no_difference(order: list[int]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        files = []
        for number in order:
            file = Path(folder, f"{number}.yaml")
            file.write_text(CRON.replace("report", f"report-{number}"))
            files.append(str(file))
        seen = read_files(files, TABLE)
        assert sorted(each.thing for each in seen.sightings) == [f"CronJob shop/report-{n}" for n in range(5)]


_KNOWN = [api for api in table() if api.goes]


@settings(deadline=None)
@given(st.sampled_from(_KNOWN), st.sampled_from(["{}", '"{}"', "'{}'", "&a {}", "{} # {}"]))
def test_whatever_goes_passes_the_sieve(api: object, style: str) -> None:
    name = api.name  # type: ignore[attr-defined]
    text = f"kind: {name.kind}\napiVersion: {style.replace('{}', name.api_version)}\n"
    assert Sieve(table())(text)
