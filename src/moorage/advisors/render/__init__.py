"""Advice for people and for programs: a printer for each format, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module

from moorage.advisors.advice import Advice


class Format(StrEnum):
    """How advice is printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"


_MODULES = {Format.JSON: "as_json", Format.YAML: "as_yaml"}


def render(advice: Advice, wanted: Format) -> str:
    """Return advice in a format, with the line break at its end."""
    module = import_module(f"moorage.advisors.render.{_MODULES.get(wanted, wanted.value)}")
    printer: Callable[[Advice], str] = module.render
    return printer(advice)
