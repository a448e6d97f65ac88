"""Which advisors look at clusters, and who follows what they say."""

from __future__ import annotations

from lightkube import AsyncClient

from moorage.advisors.automatic.asking import ResourcesProposer
from moorage.advisors.automatic.controller import AutomaticController
from moorage.advisors.automatic.host import LocalAutomaticHost
from moorage.advisors.cluster.apis import ApisTopic
from moorage.advisors.cluster.controller import AdviceController
from moorage.advisors.cluster.host import LocalAdviceHost
from moorage.advisors.cluster.permissions import PermissionsTopic
from moorage.advisors.cluster.resources import ResourcesTopic
from moorage.advisors.cluster.roster import Roster
from moorage.advisors.cluster.topic import Topic
from moorage.advisors.cluster.watching import HarmController
from moorage.advisors.resources.child import Child
from moorage.kube.controller import Cache, Controller
from moorage.local.home import Home
from moorage.operator.settings import Settings


def advising(client: AsyncClient, cache: Cache, home: Home, settings: Settings) -> list[Controller]:
    """Return the controllers that give advice about the clusters of an embedded platform, and follow it."""
    host, interval = LocalAdviceHost(home), settings.advice.interval
    roster, child = Roster(client, cache, host), Child()
    topics: list[Topic] = [
        PermissionsTopic(client, interval),
        ResourcesTopic(client, host, child),
        ApisTopic(client, interval),
    ]
    return [
        AdviceController(client, cache, roster, topics, settings.advice),
        HarmController(client, roster),
        AutomaticController(
            client,
            cache,
            LocalAutomaticHost(home, roster),
            settings.automatic,
            proposer=ResourcesProposer(roster, host, child, settings.advice),
        ),
    ]
