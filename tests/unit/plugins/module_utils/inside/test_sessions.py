"""What tmux and zmx say of their sessions, read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import sessions


def test_tmux() -> None:
    found = sessions.of_tmux("0 1764200000 1764200100 console\n2 1764200001 1764200102 a b\n")
    assert found[0] == {
        "session": "console",
        "status": "detached",
        "clients": 0,
        "created": 1764200000,
        "activity": 1764200100,
        "multiplexer": "tmux",
    }
    assert (found[1]["session"], found[1]["status"], found[1]["clients"]) == ("a b", "attached", 2)


@pytest.mark.parametrize(
    "said",
    [
        "session_name=build\tpid=12\tclients=1\n",
        "→ session_name=build\tpid=12\tclients=1\tcreated_at=1764200000000000000\tstarted_in=/home/pixel\tcmd=sh\n",
        "  name=build\tpid=12\tclients=1\tcreated=1764200000\n",
    ],
)
def test_zmx_of_several_versions(said: str) -> None:
    (found,) = sessions.of_zmx(said)
    assert (found["session"], found["status"], found["clients"], found["multiplexer"]) == ("build", "attached", 1, "zmx")
    assert found["created"] in (None, 1764200000)


def test_what_zmx_says_besides_is_no_session() -> None:
    assert sessions.of_zmx("no sessions found in /tmp/zmx-1000\nsession_name=old\tstatus=Refused\t(cleaning up)\n") == []


def test_a_stand_in_for_zmx_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "zmx"
    program.write_text('#!/bin/sh\n[ "$1" = list ] && printf "session_name=%s\\tpid=1\\tclients=0\\n" "${ZMX_DIR##*/}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("ZMX_DIR", "/tmp/somewhere")
    monkeypatch.setattr(sessions, "answers", lambda path: False)
    assert [entry["session"] for entry in sessions.sessions()] == ["somewhere"]


def test_a_failure_is_not_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "zmx"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sessions, "answers", lambda path: False)
    with pytest.raises(sessions.Failed, match="broken"):
        sessions.sessions()


def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    assert not sessions.answers(str(tmp_path / "missing"))
