# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One tool: its archive is fetched and checked, unpacked beside its place, tried, moved there at once, and put on the path.

A tree that is there with its mark is complete: the mark is in it before it gets its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import stat
import tempfile
from typing import Any

from . import devtools_integrity as integrity
from . import devtools_places as places
from .devtools_download import download, fetch
from .devtools_unpack import top_of, unpack
from .devtools_work import Work
from .egress_machine import Failed, Machine, end_of

# Seconds for a program to say what version it is. The first start reads hundreds of megabytes.
_CHECK = 120.0


# The path


def link(machine: Machine, name: str, target: str) -> None:
    """Puts it on the path, in one step. What somebody else has put there is not touched."""
    _may_link(machine, name)
    if not wrong_link(machine, name, target):
        return
    path = machine.path(f"{places.BIN}/{name}")
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    temporary = f"{path}.pixels-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    # Ours from here on, whatever happens before it is there.
    machine.write_json(places.LINKS, {**(machine.read_json(places.LINKS) or {}), name: target})
    os.symlink(target, temporary)
    os.replace(temporary, path)


def wrong_link(machine: Machine, name: str, target: str) -> bool:
    return _target(machine, name) != target or not machine.exists(target)


def _target(machine: Machine, name: str) -> str | None:
    try:
        return os.readlink(machine.path(f"{places.BIN}/{name}"))
    except OSError:
        return None


def is_ours(machine: Machine, name: str) -> bool:
    target = _target(machine, name)
    known = (machine.read_json(places.LINKS) or {}).get(name)
    return target is not None and (target.startswith(places.TOOLS + "/") or target == known)


def _may_link(machine: Machine, name: str) -> None:
    path = f"{places.BIN}/{name}"
    if machine.exists(path) and not is_ours(machine, name):
        raise Failed(f"{path} is somebody else's, and is left alone: move it away, or leave the tool out")


def unlink_others(machine: Machine, wanted: set[str]) -> None:
    """Names of ours that are not wanted any more."""
    for name in list(machine.read_json(places.LINKS) or {}):
        if name not in wanted and is_ours(machine, name):
            machine.remove(f"{places.BIN}/{name}")
    known = machine.read_json(places.LINKS) or {}
    machine.write_json(places.LINKS, {name: target for name, target in known.items() if name in wanted})


# The tree


def tree_of(tool: dict[str, Any], checksum: str) -> str:
    return f"{places.TOOLS}/{tool['name']}/{tool['version']}-{integrity.short(checksum)}"


def checksum_of(machine: Machine, tool: dict[str, Any]) -> str | None:
    """What its archive has to be: as given, or as the registry said the first time."""
    if tool["integrity"]:
        return str(tool["integrity"])
    recorded = (machine.read_json(places.RECORDED) or {}).get(_key(tool))
    return str(recorded) if recorded else None


def _key(tool: dict[str, Any]) -> str:
    return f"{tool['package']}@{tool['package_version']} {tool['url']}"


def lacks(machine: Machine, tool: dict[str, Any]) -> list[str]:
    """What of it is not as it should be; nothing where there is nothing to do."""
    checksum = checksum_of(machine, tool)
    if checksum is None:
        return [tool["name"]]
    tree = tree_of(tool, checksum)
    if not is_complete(machine, tree):
        return [tree]
    return [name for name, place in tool["programs"].items() if wrong_link(machine, name, f"{tree}/{place}")]


def is_complete(machine: Machine, tree: str) -> bool:
    mark = machine.read_json(f"{tree}/{places.MARK}")
    if not mark or not isinstance(mark.get("sizes"), dict):
        return False
    return all(size == _program_size(machine.path(f"{tree}/{place}")) for place, size in mark["sizes"].items())


def _program_size(path: str) -> int:
    try:
        found = os.stat(path)
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_mode & 0o111 else -1


# Bringing it


def bring(work: Work, tool: dict[str, Any], user: str) -> str:
    """What was done, in a few words."""
    machine = work.machine
    for name in tool["programs"]:
        _may_link(machine, name)
    checksum = checksum_of(machine, tool) or _ask(work, tool)
    tree = tree_of(tool, checksum)
    done = "there already"
    if not is_complete(machine, tree):
        archive = _archive(work, tool, checksum)
        _install(work, tool, checksum, archive, tree, user)
        os.unlink(archive)
        done = tool["version"]
    for name, place in tool["programs"].items():
        link(machine, name, f"{tree}/{place}")
    remove_others(machine, tool["name"], tree)
    return done


def remove_others(machine: Machine, name: str, tree: str) -> None:
    """Other versions of it, and what attempts have left that were cut off."""
    for other in machine.listed(f"{places.TOOLS}/{name}"):
        if other != tree:
            shutil.rmtree(machine.path(other), ignore_errors=True)


def _ask(work: Work, tool: dict[str, Any]) -> str:
    """The registry, once: from then on it has to be the same."""
    if not tool["ask"]:
        raise Failed(f"there is no integrity for {tool['name']} {tool['version']}")
    found = fetch(work, tool["ask"])
    text = found.get("dist", {}).get("integrity") if isinstance(found, dict) and isinstance(found.get("dist"), dict) else None
    try:
        integrity.parse(text or "")
    except ValueError:
        raise Failed(f"{tool['ask']} has no integrity of sha512 for it, so it cannot be checked: give one") from None
    work.machine.write_json(places.RECORDED, {**(work.machine.read_json(places.RECORDED) or {}), _key(tool): text})
    work.say(f"{tool['name']} {tool['version']}: nobody gave an integrity; the registry says {text}")
    return str(text)


def _archive(work: Work, tool: dict[str, Any], checksum: str) -> str:
    """Fetched and checked."""
    folder = work.machine.path(places.DOWNLOADS)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, f"{tool['name'].replace('/', '+')}-{integrity.short(checksum)}")
    went_on = os.path.exists(path)
    work.say(f"fetching {tool['url']}")
    download(work, tool["url"], path)
    try:
        integrity.check(path, checksum, tool["url"], work.pause)
    except integrity.Mismatch:
        os.unlink(path)
        if not went_on:
            raise
        # Its beginning was of another day, perhaps.
        work.say("what was fetched in two parts is not what it has to be: once more, from the beginning")
        download(work, tool["url"], path)
        try:
            integrity.check(path, checksum, tool["url"], work.pause)
        except integrity.Mismatch:
            os.unlink(path)
            raise
    return path


def _install(work: Work, tool: dict[str, Any], checksum: str, archive: str, tree: str, user: str) -> None:
    machine = work.machine
    parent = machine.path(os.path.dirname(tree))
    os.makedirs(parent, mode=0o755, exist_ok=True)
    stage = tempfile.mkdtemp(prefix=".new-", dir=parent)
    try:
        content = os.path.join(stage, "content")
        os.mkdir(content, 0o755)
        if tool["single"]:
            _place_single(tool, archive, content)
            top = content
        else:
            unpack(archive, content, work.pause)
            top = top_of(content)
        settle(machine, work, tool, top, {"integrity": checksum, "url": tool["url"]}, user)
        move(top, machine.path(tree))
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _place_single(tool: dict[str, Any], archive: str, content: str) -> None:
    """What was fetched is the program itself."""
    place = next(iter(tool["programs"].values()))
    os.makedirs(os.path.dirname(os.path.join(content, place)), exist_ok=True)
    shutil.copyfile(archive, os.path.join(content, place))
    os.chmod(os.path.join(content, place), 0o755)


def settle(machine: Machine, work: Work, tool: dict[str, Any], top: str, origin: dict[str, Any], user: str) -> None:
    """Finds its programs, tries them, and leaves the mark of what is complete."""
    os.chmod(top, 0o755)
    _reachable(machine, top)
    sizes = {}
    for name, place in tool["programs"].items():
        path = os.path.join(top, place)
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                os.chmod(path, 0o755)
        except OSError:
            raise Failed(f"{tool['url'] or tool['name']} has no {place}, which {name} should be") from None
        sizes[place] = _program_size(path)
        if tool["check"]:
            _try(work, path, tool["check"], user)
    for name, target in tool["links"].items():
        _link_inside(top, name, target)
    with open(os.path.join(top, places.MARK), "w", encoding="utf-8") as stream:
        json.dump({"name": tool["name"], "version": tool["version"], **origin, "sizes": sizes}, stream, indent=1, sort_keys=True)
        stream.write("\n")
    os.chmod(os.path.join(top, places.MARK), 0o644)


def _link_inside(top: str, name: str, target: str) -> None:
    path = os.path.join(top, name)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(target, path)


def _reachable(machine: Machine, top: str) -> None:
    """The directory of a tree that is being made is root's alone; the agent tries the programs in it."""
    path = top
    while path != machine.path(places.TOOLS) and len(path) > 1:
        os.chmod(path, 0o755)
        path = os.path.dirname(path)


def account_of(user: str) -> tuple[int, int]:
    for name in (user, "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise Failed("there is no account to try programs as")


def _try(work: Work, path: str, arguments: list[str], user: str) -> None:
    """As the agent, or as nobody while there is no such account. One of the wrong kind is found now, not by the first who needs it."""
    account = account_of(user)
    home = work.machine.path(places.TRIED)
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home, mode=0o700)
    try:
        if account is not None:
            os.chown(home, *account)
        environment = {"HOME": home, "TMPDIR": home, "DISABLE_AUTOUPDATER": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
        status, said = work.run([path, *arguments], most=_CHECK, environment=environment, account=account)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if status != 0:
        log = end_of(said)
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        name = os.path.basename(path)
        raise Failed(f"{name} {' '.join(arguments)} ended with {ended}: {log[-1] if log else 'it said nothing'}", "\n".join(log))


def move(top: str, tree: str) -> None:
    """In one step; what was there is not complete."""
    if os.path.lexists(tree):
        shutil.rmtree(tree)
    os.rename(top, tree)
