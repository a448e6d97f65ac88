"""What is printed, for people and for programs."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from moorage.cli import _output
from moorage.cli._output import Column, Output, print_object, print_objects, print_records, print_table

WEB = {
    "apiVersion": "moorage.dev/v1alpha1",
    "kind": "KubernetesCluster",
    "metadata": {"name": "web", "namespace": "project-shop", "managedFields": [{"manager": "x"}]},
    "spec": {"version": "1.36"},
}
COLUMNS = (
    Column("Name", lambda record: record["metadata"]["name"]),
    Column("Message", lambda record: record.get("message", "")),
)


class Terminal:
    """A stdout that is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text


def test_json_of_several_is_a_list_as_kubectl_prints_it(capsys):
    print_objects([WEB], Output.JSON, columns=COLUMNS)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["apiVersion"], printed["kind"]) == ("v1", "List")
    assert printed["items"][0]["metadata"] == {"name": "web", "namespace": "project-shop"}


def test_json_of_none_is_an_empty_list(capsys):
    print_objects([], Output.JSON, columns=COLUMNS, nothing="there is none")
    captured = capsys.readouterr()
    assert json.loads(captured.out)["items"] == []
    assert captured.err == ""


def test_json_and_yaml_of_one_are_the_object(capsys):
    print_object(WEB, Output.JSON, columns=COLUMNS)
    as_json = json.loads(capsys.readouterr().out)
    print_object(WEB, Output.YAML, columns=COLUMNS)
    as_yaml = yaml.safe_load(capsys.readouterr().out)
    assert as_json == as_yaml
    assert list(as_json) == ["apiVersion", "kind", "metadata", "spec"]


def test_a_name_is_what_kubectl_takes(capsys):
    print_objects([WEB], Output.NAME, columns=COLUMNS)
    assert capsys.readouterr().out == "kubernetescluster.moorage.dev/web\n"


def test_a_person_is_told_that_there_is_none_and_a_pipe_gets_nothing(capsys):
    print_objects([], Output.TABLE, columns=COLUMNS, nothing="there is none")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "there is none\n")


def test_records_are_a_plain_list(capsys):
    print_records([{"name": "etcd"}], Output.YAML, columns=())
    assert yaml.safe_load(capsys.readouterr().out) == [{"name": "etcd"}]
    print_records([{"name": "etcd"}], Output.NAME, columns=())
    assert capsys.readouterr().out == "etcd\n"


def test_a_table_is_as_wide_as_its_content(capsys):
    print_table(COLUMNS, [WEB, {"metadata": {"name": "webhooks"}, "message": "m" * 200}])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "NAME       MESSAGE"
    assert lines[1] == "web        -"
    assert lines[2] == "webhooks   " + "m" * 200


def test_a_message_of_several_lines_stays_in_its_row(capsys):
    print_table(COLUMNS, [{"metadata": {"name": "web"}, "message": "one\n  two"}])
    assert capsys.readouterr().out.splitlines()[1] == "web    one two"


def test_wide_characters_do_not_push_columns_out_of_line(capsys):
    print_table(
        COLUMNS,
        [{"metadata": {"name": "日本"}, "message": "a"}, {"metadata": {"name": "abcd"}, "message": "b"}],
    )
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == "日本   a"
    assert second == "abcd   b"


def test_a_line_of_a_terminal_is_cut_where_it_ends(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(_output, "terminal_width", lambda: 40)
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(COLUMNS, [{"metadata": {"name": "web"}, "message": "m" * 200}])
    line = terminal.text.splitlines()[1]
    assert len(line) == 40
    assert line.endswith("…")


@pytest.mark.parametrize("columns", [80, 20])
def test_what_matters_is_shown_whole_in_more_lines(monkeypatch, columns):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(_output, "terminal_width", lambda: columns)
    monkeypatch.setenv("NO_COLOR", "1")
    message = " ".join(f"word-{number}" for number in range(40))
    print_table(COLUMNS, [{"metadata": {"name": "web"}, "message": message}], whole=True)
    _, *lines = terminal.text.splitlines()
    assert " ".join(" ".join(lines).split()) == f"web {message}"
    assert all(len(line) <= columns for line in lines)


@pytest.mark.parametrize("columns", [80, 60])
def test_wide_columns_before_the_last_are_wrapped_at_words_where_all_is_shown(monkeypatch, columns):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(_output, "terminal_width", lambda: columns)
    monkeypatch.setenv("NO_COLOR", "1")
    names = ", ".join(f"set-{number}" for number in range(20))
    table = (
        Column("Name", lambda record: str(record["name"])),
        Column("Sets", lambda record: str(record["sets"])),
        Column("Title", lambda record: str(record["title"])),
    )
    print_table(table, [{"name": "web", "sets": names, "title": "What it is about " * 3}], whole=True)
    assert all(len(line) <= columns for line in terminal.text.splitlines())
    words = terminal.text.replace(",", " ").split()
    assert words.count("about") == 3
    assert set(names.split(", ")) <= set(words)


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, environment, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in _output.paint("True", "green", stream=Terminal())) is coloured
    assert _output.paint("True", None, stream=Terminal()) == "True"


def test_a_dry_run_is_documents_that_kubectl_takes(capsys):
    _output.dump_manifests([WEB, WEB])
    documents = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [document["kind"] for document in documents] == ["KubernetesCluster"] * 2
