"""Whether a container is idle, from facts and times that are given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import idle, idle_look

HOUR = 3600
NOW = 1_000_000.0


def facts(**given: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "now": NOW,
        "boot": "1",
        "processes": {},
        "load": 0.0,
        "clients": [],
        "logins": [],
        "jobs": [],
        "installing": False,
        "signs": {"it was started": NOW - 10 * HOUR, "somebody typed": None},
    }
    return {**base, **given}


def process(pid: int, cpu: float, parent: int = 1) -> dict[str, Any]:
    return {f"{pid}:7": {"pid": pid, "parent": parent, "cpu": cpu}}


def judged(seen: dict[str, Any], record: dict[str, Any] | None = None, limit: int = HOUR) -> dict[str, Any]:
    return idle.judge(seen, idle.updated(record or {}, seen), limit)


def test_nothing_for_an_hour() -> None:
    found = judged(facts())
    assert found == {"idle": True, "in_use": [], "last_sign": int(NOW - 10 * HOUR), "idle_for": 10 * HOUR}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"clients": ["tmux"]}, "1 attached to sessions"),
        ({"logins": ["pixel@pts/0", "root@pts/1"]}, "2 SSH sessions"),
        ({"jobs": ["/home/pixel/work/a"]}, "the job in /home/pixel/work/a runs"),
        ({"installing": True}, "its tools are being installed"),
        ({"load": 0.5}, "processes at work"),
        ({"signs": {"it was started": NOW - 60}}, "it was started 60 seconds ago"),
        ({"signs": {"somebody typed": NOW - HOUR + 1}}, "somebody typed"),
        # A clock that was set back does not make it idle.
        ({"signs": {"somebody typed": NOW + 500}}, "somebody typed 0 seconds ago"),
        ({"processes": process(5, 500.0)}, "watched for 0 seconds only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_use(given: dict[str, Any], reason: str) -> None:
    found = judged(facts(**given))
    assert not found["idle"] and reason in found["in_use"][0]


def test_long_lives_of_little_work_are_idle_at_the_first_look() -> None:
    assert judged(facts(processes=process(5, 30.0)))["idle"]


def look_again(record: dict[str, Any], later: float, processes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    seen = facts(now=NOW + later, processes=processes)
    record = idle.updated(record, seen)
    return idle.judge(seen, record, HOUR), record


def test_what_was_used_before_the_first_look_is_forgiven_after_the_time() -> None:
    record = idle.updated({}, facts(processes=process(5, 500.0)))
    found, record = look_again(record, HOUR / 2, process(5, 501.0))
    assert "watched for 1800 seconds only" in found["in_use"][0]
    found, record = look_again(record, HOUR, process(5, 502.0))
    assert found["idle"]
    found, record = look_again(record, 1.5 * HOUR, process(5, 600.0))
    assert found["in_use"] == ["99 seconds of processor time within 3600 seconds"]


def test_work_of_processes_that_have_ended_counts_once() -> None:
    record = idle.updated({}, facts(processes={**process(5, 1.0), **process(6, 400.0, parent=5)}))
    # Its parent has inherited what it had used, which was known before.
    found, _record = look_again(record, HOUR, process(5, 402.0))
    assert found["idle"]
    # Its parent has inherited what nobody had seen.
    found, _record = look_again(record, HOUR, process(5, 600.0))
    assert "199 seconds of processor time" in found["in_use"][0]
    # One that has gone without a parent to inherit hides nothing of what others have used.
    record = idle.updated({}, facts(processes={**process(5, 1.0), **process(6, 400.0)}))
    found, _record = look_again(record, HOUR, process(5, 101.0))
    assert "100 seconds of processor time" in found["in_use"][0]


def test_a_restart_begins_anew() -> None:
    record = idle.updated({}, facts(processes=process(5, 500.0)))
    seen = facts(now=NOW + HOUR, boot="2", processes=process(5, 3.0))
    record = idle.updated(record, seen)
    assert record["samples"] == [[NOW + HOUR, 3.0]]


def test_the_record_stays_small() -> None:
    record: dict[str, Any] = {}
    for second in range(0, 40_000, 10):
        record = idle.updated(record, facts(now=NOW + second))
    times = [sample[0] for sample in record["samples"]]
    assert len(times) <= 300 and times == sorted(times) and times[-1] == NOW + 39_990


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), (" 2d ", 172800), ("1w", 604800)])
def test_times(text: str, value: int) -> None:
    assert idle.seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "0h", "-1h", "1.5h", "1 h", "h", "1y", "9999999999h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        idle.seconds(text)


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    path = tmp_path / "pixels" / "idle.json"
    assert idle_look.read_record(path) == {}
    record = idle.updated({}, facts(processes=process(5, 1.0)))
    idle_look.write_record(record, path)
    assert idle_look.read_record(path) == record and path.stat().st_mode & 0o777 == 0o600
    for text in ("", "[]", "{}", '{"boot": 1, "samples": [1], "processes": {}}'):
        path.write_text(text)
        assert idle_look.read_record(path) == {}


def make_process(proc: Path, pid: int, name: str, title: str, parent: int = 1, tty: int = 0) -> None:
    (proc / str(pid) / "fd").mkdir(parents=True)
    fields = ["S", parent, pid, pid, tty, -1, 0, 0, 0, 0, 0, 100, 50, 20, 30, 20, 0, 1, 0, 777]
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))} 0 0\n")
    (proc / str(pid) / "cmdline").write_bytes(title.replace(" ", "\0").encode() + b"\0")


def test_processes_are_read(tmp_path: Path) -> None:
    make_process(tmp_path, 1, "systemd", "/sbin/init", parent=0)
    make_process(tmp_path, 10, "a (b) c", "x")
    (tmp_path / "11").mkdir()
    table = idle_look.processes(tmp_path)
    assert sorted(table) == [1, 10]
    one = table[10]
    assert (one.name, one.parent, one.start, one.state) == ("a (b) c", 1, 777, "S")
    assert one.cpu == 200 / os.sysconf("SC_CLK_TCK")
    assert idle_look.ancestors(table, 10) == {10, 1}


def test_logins_that_count(tmp_path: Path) -> None:
    titles = {
        20: "sshd: pixel@pts/0",
        21: "sshd: pixel [priv]",
        22: "sshd: pixel@notty",
        24: "sshd-session: pixel@notty",
        25: "sshd: root@notty",
        27: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
    }
    for pid, title in titles.items():
        make_process(tmp_path, pid, "sshd", title)
    make_process(tmp_path, 23, "rsync", "rsync --server", parent=24)
    make_process(tmp_path, 26, "python3", "python3", parent=25)
    table = idle_look.processes(tmp_path)
    # 22 is open for later only, and 25 is the one that asks.
    assert idle_look.logins(table, idle_look.ancestors(table, 26)) == ["pixel@notty", "pixel@pts/0"]


def test_clients_that_count(tmp_path: Path) -> None:
    make_process(tmp_path, 30, "tmux: server", "tmux new-session")
    make_process(tmp_path, 31, "tmux: client", "tmux attach-session", tty=34816)
    make_process(tmp_path, 32, "zmx", "zmx attach build sh -l", tty=34817)
    make_process(tmp_path, 33, "zmx", "zmx attach build sh -l")
    assert len(idle_look.clients(idle_look.processes(tmp_path))) == 2


def test_whose_processes_count(tmp_path: Path) -> None:
    make_process(tmp_path, 50, "claude", "claude")
    make_process(tmp_path, 51, "cron", "cron")
    (tmp_path / "50" / "cgroup").write_text("0::/user.slice/user-0.slice/session-3.scope\n")
    (tmp_path / "51" / "cgroup").write_text("0::/system.slice/cron.service\n")
    table = idle_look.processes(tmp_path)
    assert table[50].someones and table[51].someones == (os.getuid() >= 1000)


def test_jobs_are_found_by_their_locks(tmp_path: Path) -> None:
    make_process(tmp_path, 40, "python3", "python3")
    make_process(tmp_path, 41, "python3", "python3")
    (tmp_path / "40" / "fd" / "3").symlink_to("/home/pixel/work/review/job/lock")
    (tmp_path / "41" / "fd" / "3").symlink_to("/home/pixel/job/lock.txt")
    assert idle_look.jobs(idle_look.processes(tmp_path), tmp_path) == ["/home/pixel/work/review"]
