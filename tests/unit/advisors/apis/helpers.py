"""Tables, objects and events for the tests of the APIs advisor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from moorage.advisors.advice import Location
from moorage.advisors.apis.model import How, Sighting
from moorage.advisors.apis.table import Api, Name, Table
from moorage.advisors.apis.versions import Targets

NEWEST = (1, 37)
AHEAD = Targets((1, 38))


def api(
    name: str,
    *,
    deprecated: tuple[int, ...] | None = None,
    removed: tuple[int, ...] | None = None,
    replacement: str = "",
    resource: str = "",
    project: str = "kubernetes",
) -> Api:
    api_version, kind = name.split(" ")
    return Api(
        Name(api_version, kind),
        resource or f"{kind.lower()}s",
        deprecated=deprecated,
        removed=removed,
        replacement=Name(*replacement.split(" ")) if replacement else None,
        project=project,
    )


CRON = api("batch/v1beta1 CronJob", deprecated=(1, 21), removed=(1, 25), replacement="batch/v1 CronJob")
BUDGET = api(
    "policy/v1beta1 PodDisruptionBudget",
    deprecated=(1, 21),
    removed=(1, 25),
    replacement="policy/v1 PodDisruptionBudget",
)
CLASS = api(
    "resource.k8s.io/v1beta2 DeviceClass",
    deprecated=(1, 36),
    removed=(1, 39),
    replacement="resource.k8s.io/v1 DeviceClass",
    resource="deviceclasses",
)
STAYS = api("batch/v1 CronJob")
CERTIFICATE = api(
    "cert-manager.io/v1alpha2 Certificate",
    removed=(1, 6, 0),
    replacement="cert-manager.io/v1 Certificate",
    project="cert-manager",
)
TABLE = Table((CRON, BUDGET, CLASS, STAYS, CERTIFICATE), newest=NEWEST, source="v1.37.2")


def sighting(which: Api = CRON, how: How = How.WRITTEN, **fields: Any) -> Sighting:
    thing = fields.pop("thing", f"{which.name.kind} shop/web")
    fields.setdefault("location", Location(thing, "web.yaml", 1))
    return Sighting(which, how, thing, **fields)


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """An audit event of a request for a CronJob in a version that goes."""
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"00000000-0000-0000-0000-{number:012x}",
        "stage": "ResponseComplete",
        "requestURI": "/apis/batch/v1beta1/namespaces/shop/cronjobs/web",
        "verb": "get",
        "user": {"username": "system:serviceaccount:shop:web", "groups": []},
        "userAgent": "web/1.0",
        "objectRef": {
            "resource": "cronjobs",
            "namespace": "shop",
            "name": "web",
            "apiGroup": "batch",
            "apiVersion": "v1beta1",
        },
        "responseStatus": {"code": 200},
        "stageTimestamp": f"2026-10-{1 + number % 28:02d}T00:00:00.000000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"},
        **fields,
    }


def lines(events: Iterable[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in events)
