"""``moorage demo``, on a platform that is there already, and again."""

from __future__ import annotations

import re

from moorage.cli.demo import KUBECONFIG


def test_the_demo_ends_with_what_there_is_and_may_be_done_again(moorage):
    try:
        first = moorage("demo")
        assert "project demo is there" in first.stderr
        assert "pods: 5 of 5 running" in first.stderr
        assert first.stdout.count(" running\n") == 5
        kubeconfig = moorage.home.management / KUBECONFIG
        assert f"kubectl --kubeconfig {kubeconfig} get pods" in first.stdout
        running = moorage.kubectl(
            *("get", "pods", "--field-selector=status.phase=Running", "-o", "name"), kubeconfig=kubeconfig
        )
        assert len(running.stdout.split()) == 5
        assert not moorage.kubeconfig.exists()
        advice = re.search(r"advice show (hello-[0-9a-f]+)", first.stdout)
        assert advice
        shown = moorage("advice", "show", advice[1], "-p", "demo").stdout
        assert "nothing of it was used" in " ".join(shown.split())
        again = moorage("demo")
        assert again.stdout.splitlines()[2:] == first.stdout.splitlines()[2:]
    finally:
        moorage("cluster", "delete", "demo/hello", "--yes", check=False)
        moorage("project", "delete", "demo", "--yes", check=False)
