# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Downloads over connections that break, from servers that are busy, wrong or gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_download as downloading
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_download import download, fetch, settings_of
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_work import OutOfTime, Work
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import (
    Box,
    Registry,
    broken_after,
    serving,
    status,
    work_in,
)

DATA = os.urandom(600_000)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "FIRST_WAIT", 0.001)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as made:
        made.files["/it"] = DATA
        yield made


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return work_in(Box(tmp_path / "box"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def test_all_of_it(registry: Registry, work: Work, path: Path) -> None:
    download(work, registry.url + "/it", str(path))
    assert path.read_bytes() == DATA and path.stat().st_mode & 0o777 == 0o600


def test_it_goes_on_where_it_broke(registry: Registry, work: Work, path: Path) -> None:
    registry.faults = [broken_after(DATA, 250_000)]
    download(work, registry.url + "/it", str(path))
    assert path.read_bytes() == DATA
    assert [span for _path, span in registry.asked] == [None, "bytes=250000-"]


def test_it_goes_on_with_what_a_former_run_has_left(registry: Registry, work: Work, path: Path) -> None:
    path.write_bytes(DATA[:100])
    download(work, registry.url + "/it", str(path))
    assert path.read_bytes() == DATA and registry.asked == [("/it", "bytes=100-")]


def test_what_is_complete_is_not_fetched_again(registry: Registry, work: Work, path: Path) -> None:
    path.write_bytes(DATA)
    download(work, registry.url + "/it", str(path))
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("left", [DATA[:100], DATA + b"too much"], ids=["a server without ranges", "more than there is"])
def test_or_from_the_beginning(registry: Registry, work: Work, path: Path, left: bytes) -> None:
    registry.ranges = len(left) > len(DATA)
    path.write_bytes(left)
    download(work, registry.url + "/it", str(path))
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(registry: Registry, work: Work, path: Path, code: int) -> None:
    registry.faults = [status(code), status(code, Retry_After="0")]
    download(work, registry.url + "/it", str(path))
    assert path.read_bytes() == DATA and len(registry.asked) == 3


def test_but_not_for_ever(registry: Registry, work: Work, path: Path) -> None:
    registry.faults = [status(503)] * 50
    with pytest.raises(Failed, match=r"answers 503.*it was tried 5 times"):
        download(work, registry.url + "/it", str(path))
    assert len(registry.asked) == downloading.ATTEMPTS


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_what_stays_is_not(registry: Registry, work: Work, path: Path, code: int) -> None:
    registry.faults = [status(code)] * 50
    with pytest.raises(Failed, match=f"answers {code}"):
        download(work, registry.url + "/it", str(path))
    assert len(registry.asked) == 1


def test_nobody_answers(work: Work, path: Path) -> None:
    with serving() as gone:
        url = gone.url + "/it"
    with pytest.raises(Failed, match=r"127\.0\.0\.1 cannot be reached: Connection refused; it was tried 5 times"):
        download(work, url, str(path))


def test_it_is_bounded(registry: Registry, path: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="is bigger than 0 MiB"):
        download(work_in(Box(tmp_path / "a")), registry.url + "/it", str(path), most=100_000)
    with pytest.raises(OutOfTime):
        download(work_in(Box(tmp_path / "b"), 0.0), registry.url + "/it", str(path))


def test_json(registry: Registry, work: Work) -> None:
    registry.json("/meta", {"a": 1})
    assert fetch(work, registry.url + "/meta") == {"a": 1}
    with pytest.raises(Failed, match="is no JSON"):
        fetch(work, registry.url + "/it")


def test_never_from_an_encrypted_place_to_one_that_is_not() -> None:
    request = downloading.urllib.request.Request("https://a.example.org/it")
    with pytest.raises(Failed, match="not encrypted"):
        downloading._Redirects().redirect_request(request, None, 302, "", None, "http://a.example.org/it")  # type: ignore[arg-type]


class TestPolicy:
    def test_who_is_not_allowed_is_named_at_once(self, registry: Registry, work: Work, path: Path) -> None:
        box = work.machine
        box.write_json("/etc/egress/policy.json", {"mode": "agent"})
        box.write("/etc/egress/exact.lst", "listed.example.org\n")
        box.write("/etc/egress/suffix.lst", ".below.example.org\n")
        box.write("/etc/egress/denied.lst", "denied.below.example.org\n")
        box.write("/etc/egress/tcp.map", "198.18.0.1:8443 port.example.org\n")
        said = "does not allow other.example.org; network_allow with -e domain=other.example.org lets it through"
        with pytest.raises(Failed, match=said):
            download(work, "https://other.example.org/it", str(path))
        refusal = downloading.refusal
        assert refusal(box, "listed.example.org", 443) is None and refusal(box, "Listed.Example.org", 443) is None
        assert refusal(box, "a.below.example.org", 443) is None and refusal(box, "below.example.org", 443) is not None
        assert "denies" in (refusal(box, "denied.below.example.org", 443) or "")
        assert refusal(box, "port.example.org", 8443) is None
        assert "domain=port.example.org:9443" in (refusal(box, "port.example.org", 9443) or "")
        assert refusal(box, "192.0.2.7", 4873) is None
        box.write_json("/etc/egress/policy.json", {"mode": "learn"})
        assert refusal(box, "other.example.org", 443) is None

    def test_without_one_nobody_is(self, work: Work) -> None:
        assert downloading.refusal(work.machine, "other.example.org", 443) is None


def test_proxies_are_those_of_everybody(work: Work) -> None:
    work.machine.write("/etc/environment", "HTTPS_PROXY='http://p.example.org:3128'\nSECRET=x\nno_proxy=a,b\nbroken='\n")
    assert settings_of(work.machine) == {"HTTPS_PROXY": "http://p.example.org:3128", "no_proxy": "a,b"}
