"""``moorage demo``, on a platform that is there already, and again."""

from __future__ import annotations

import re

from moorage.cli.demo import KUBECONFIG

from .waiting import eventually


def unnumbered(text):
    return re.sub(r"\d+(\.\d+)?", "N", text).split()


def resolved(moorage):
    listed = moorage("advice", "list", "-p", "demo", "--state", "resolved", "-o", "name").stdout
    return {line.rpartition("/")[2] for line in listed.split()}


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
        advice = re.findall(r"advice apply (demo/hello-[0-9a-f]+)", first.stdout)
        shown = [moorage("advice", "show", name).stdout for name in advice]
        for text, says in zip(
            shown, ("nothing of it was used", "m would fit", "use demo.example.com/v1"), strict=True
        ):
            assert says in " ".join(text.split())
        again = moorage("demo")
        # What was used is measured, and not the same to the millicore in every minute.
        assert unnumbered(again.stdout) == unnumbered(first.stdout)
        for name in advice:
            moorage("advice", "apply", name, "--watch", "0s", "--yes")
        assert eventually(
            lambda: {name.removeprefix("demo/") for name in advice} <= resolved(moorage), seconds=90
        ), "it is found no more"
    finally:
        moorage("cluster", "delete", "demo/hello", "--yes", check=False)
        moorage("project", "delete", "demo", "--yes", check=False)
