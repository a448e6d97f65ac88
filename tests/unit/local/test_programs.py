"""What the supervisor is told, read back by the supervisor's own parser."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import UnhosedConfigParser

from moorage.local.programs import Program, program_config, supervisor_config

LOG = Path("/home/logs/x.log")
# A newline ends a value whatever is done about it; NUL cannot be in an argument at all.
WORDS = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=("Cs", "Cc")))


def read(text: str) -> UnhosedConfigParser:
    parser = UnhosedConfigParser()
    parser.read_string(text)
    return parser


def option(text: str, section: str, name: str) -> str:
    return str(read(text).saneget(section, name))


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_every_argument_arrives_as_it_is(arguments: list[str]) -> None:
    text = program_config(Program("x", ("/bin/x", *arguments)), LOG)
    assert shlex.split(option(text, "program:x", "command")) == ["/bin/x", *arguments]


@pytest.mark.parametrize(
    "argument",
    [
        "--a=%(here)s",
        "100%",
        "a b",
        " ",
        "",
        "a ; b",
        ";",
        " #",
        "it's",
        '"',
        "\\",
        "\\ ;",
        "\t#",
        "$HOME",
        "ü",
    ],
)
def test_awkward_arguments_arrive_as_they_are(argument: str) -> None:
    text = program_config(Program("x", ("/bin/x", argument)), LOG)
    assert shlex.split(option(text, "program:x", "command")) == ["/bin/x", argument]


@pytest.mark.parametrize(
    "value", ["", "a b", "a,b=c", "100%", "a;b", "it's so", "/x/y.z", "$HOME", "a#b", "ü"]
)
def test_the_environment_arrives_as_it_is(value: str) -> None:
    text = program_config(Program("x", ("/bin/x",), environment={"B": value, "A": "1"}), LOG)
    assert dict_of_key_value_pairs(option(text, "program:x", "environment")) == {"A": "1", "B": value}


@pytest.mark.parametrize("value", ["a\nb", 'a"b', "a ;b", "a #b", "'a", "a'", " a", "a "])
def test_a_value_that_would_arrive_changed_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        program_config(Program("x", ("/bin/x",), environment={"A": value}), LOG)


def test_an_argument_of_two_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        program_config(Program("x", ("/bin/x", "a\n[program:y]")), LOG)


def test_a_program_is_kept_alive_whatever_happens() -> None:
    text = program_config(Program("x", ("/bin/x",), settle_seconds=7, stop_seconds=11, order=13), LOG)
    section = dict(read(text).items("program:x"))
    assert section["autostart"] == section["autorestart"] == "true"
    assert int(section["startretries"]) > 10**6
    assert (section["startsecs"], section["stopwaitsecs"], section["priority"]) == ("7", "11", "13")
    assert section["stdout_logfile"] == str(LOG)
    assert section["umask"] == "077"


def test_what_a_program_is_told_does_not_depend_on_the_order_of_its_environment() -> None:
    one = Program("x", ("/bin/x",), environment={"A": "1", "B": "2"})
    other = Program("x", ("/bin/x",), environment={"B": "2", "A": "1"})
    assert program_config(one, LOG) == program_config(other, LOG)


def test_the_supervisor_listens_on_a_socket_that_only_its_owner_may_open() -> None:
    root = Path("/a b/100 c")
    text = supervisor_config(
        socket=root / "s.sock",
        pid_file=root / "s.pid",
        log=root / "logs" / "s.log",
        programs=root / "programs",
    )
    parser = read(text)
    assert parser.saneget("unix_http_server", "file") == str(root / "s.sock")
    assert parser.get("unix_http_server", "chmod") == "0600"
    assert not parser.has_section("inet_http_server")
    assert parser.get("include", "files") == "programs/*.ini"
