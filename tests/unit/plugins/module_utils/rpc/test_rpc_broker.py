# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shared session: one login for many processes, gone with its controller, and nothing of it to be seen."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import broker_place, broker_spawn, errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.api import Progress
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.broker_client import BrokerClient
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.connect import open_api
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.limits import Limits
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watching processes needs Linux")

MODULES = Path(broker_spawn.__file__).resolve().parent.parent
CREATE = "virt.instance.create"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sockets, short and ours."""
    runtime = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return runtime / "pixels"


@pytest.fixture
def controller() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose end is to end the broker."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def ended(pid: int, within: float = 10) -> bool:
    """Wait for the end of a process that is not necessarily our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        done = bool(selector.select(within))
    os.close(descriptor)
    return done


def brokers() -> list[int]:
    return [process.pid for process in broker_spawn._started if process.poll() is None]


@pytest.fixture
def connect(server: Any, place: Path, controller: Any, kit: Any) -> Iterator[Callable[..., BrokerClient]]:
    opened: list[BrokerClient] = []
    before = set(brokers())

    def one(limits: dict[str, Any] | None = None, **orders: Any) -> BrokerClient:
        client = BrokerClient(server.endpoint(), controller.pid, limits=Limits(**{**vars(kit.fast), **(limits or {})}), **orders)
        opened.append(client)
        return client

    yield one
    for client in opened:
        client.close()
    controller.kill()
    for pid in set(brokers()) - before:
        assert ended(pid), "a broker has outlived its controller"


@pytest.fixture
def client(connect: Callable[..., BrokerClient]) -> BrokerClient:
    return connect()


def test_relays_reads_calls_and_jobs(server: Any, client: BrokerClient, kit: Any) -> None:
    server.on("x.read", lambda call: ["read", *call.params])
    server.on("x.change", lambda call: ["change", *call.params])
    server.on(CREATE, kit.job(result={"id": "px-a"}, steps=[(40, "pulling")]))
    told: list[Progress] = []
    assert client.read("x.read", 1, {"ü": None}) == ["read", 1, {"ü": None}]
    assert client.call("x.change", "y") == ["change", "y"]
    assert client.job(CREATE, {"name": "px-a"}, on_progress=told.append) == {"id": "px-a"}
    assert told == [Progress(40, "pulling")]
    assert client.shared and len(server.named("auth.login_ex")) == 1


def test_errors_keep_their_type(server: Any, client: BrokerClient, kit: Any) -> None:
    server.on("x.get", kit.not_found)
    with pytest.raises(errors.NotFound) as caught:
        client.read("x.get", "x")
    assert caught.value.errno == 2 and caught.value.method == "x.get"
    server.on("x.change", kit.fault(-32602, 22, "bad", [["a.b", "too small", 22]]))
    with pytest.raises(errors.ValidationFailed) as refused:
        client.call("x.change")
    assert refused.value.fields == [("a.b", "too small", 22)]
    with pytest.raises(errors.UnknownMethod):
        client.read("no.such")
    with pytest.raises(errors.MessageTooLong):
        client.call("x.change", "a" * 70_000)


WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from rpc.broker_client import BrokerClient
from rpc.endpoint import Endpoint
key = sys.stdin.readline().strip()
client = BrokerClient(Endpoint.parse(sys.argv[2], api_key=key), int(sys.argv[3]))
for number in range(5):
    assert client.read("x.echo", number) == number
assert client.shared
client.close()
"""


def test_d36_one_login_for_many_processes_and_threads(server: Any, client: BrokerClient, controller: Any, kit: Any) -> None:
    server.on("x.echo", lambda call: call.params[0])
    workers = []
    for _each in range(10):
        argv = [sys.executable, "-c", WORKER, str(MODULES), server.endpoint().url, str(controller.pid)]
        workers.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE))
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda worker: (worker.communicate(kit.key.encode() + b"\n", timeout=60), worker.returncode), workers))
    assert [code for _output, code in results] == [0] * 10, results
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda number: client.read("x.echo", number), range(60))) == list(range(60))
    assert len(server.named("x.echo")) == 110
    assert len(server.named("auth.login_ex")) == 1 and server.connections == 1


def test_the_login_is_shared_by_those_who_come_at_the_same_moment(server: Any, connect: Callable[..., BrokerClient]) -> None:
    server.on("x.echo", lambda call: call.params[0])
    clients = [connect() for _each in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda pair: pair[1].read("x.echo", pair[0]), enumerate(clients))) == list(range(20))
    assert len(server.named("auth.login_ex")) == 1


def test_ends_with_the_controller(server: Any, client: BrokerClient, controller: Any, place: Path) -> None:
    server.on("x.read", 1)
    client.read("x.read")
    (pid,) = brokers()[-1:]
    assert list(place.glob("*.sock"))
    controller.kill()
    controller.wait()
    assert ended(pid)
    assert not list(place.glob("*.sock"))
    server.wait_for(lambda: not server.clients, "the end of the connection")


def test_tells_its_jobs_to_stop_when_the_controller_ends(server: Any, client: BrokerClient, controller: Any, kit: Any) -> None:
    server.on(CREATE, kit.job(held=True))
    with ThreadPoolExecutor() as pool:
        result = pool.submit(client.job, CREATE, {"name": "px-a"})
        server.wait_for(lambda: server.named(CREATE))
        controller.kill()
        controller.wait()
        server.wait_for(lambda: server.named("core.job_abort"), "the abort")
        with pytest.raises(errors.OutcomeUnknown):
            result.result(20)


def test_ends_when_nobody_has_been_there_for_long(server: Any, connect: Callable[..., BrokerClient]) -> None:
    server.on("x.read", 1)
    client = connect(idle_timeout=0.2)
    client.read("x.read")
    pid = brokers()[-1]
    client.close()
    assert ended(pid)


def test_does_not_end_while_someone_is_there(server: Any, connect: Callable[..., BrokerClient], kit: Any) -> None:
    server.on("x.read", 1)
    client = connect(idle_timeout=0.1)
    client.read("x.read")
    assert not ended(brokers()[-1], within=0.5)
    assert client.read("x.read") == 1
    assert len(server.named("auth.login_ex")) == 1


def test_d26_the_key_is_in_no_command_line_and_no_environment(
    server: Any, client: BrokerClient, kit: Any, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setenv("PIXELS_TRUENAS_API_KEY", kit.key)
    server.on("x.read", 1)
    client.read("x.read")
    process = Path(f"/proc/{brokers()[-1]}")
    assert kit.key.encode() not in (process / "cmdline").read_bytes()
    assert kit.key.encode() not in (process / "environ").read_bytes()
    assert not any(kit.key in path.name or kit.key.encode() in path.read_bytes() for path in place.iterdir() if path.is_file())


def test_keeps_no_output_open(server: Any, place: Path, controller: Any, kit: Any) -> None:
    """A caller that reads our output to its end gets there while the broker lives."""
    server.on("x.echo", lambda call: call.params[0])
    argv = [sys.executable, "-c", WORKER, str(MODULES), server.endpoint().url, str(controller.pid)]
    done = subprocess.run(argv, input=kit.key.encode() + b"\n", capture_output=True, timeout=30, check=True)
    assert done.stdout == b""
    (path,) = place.glob("*.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        assert json.loads(sock.recv(100)) == {"ready": 1}
    controller.kill()
    controller.wait()


def test_runs_in_a_session_of_its_own(server: Any, client: BrokerClient) -> None:
    server.on("x.read", 1)
    client.read("x.read")
    assert os.getsid(brokers()[-1]) == brokers()[-1]


def test_socket_and_directory_are_ours_alone(server: Any, client: BrokerClient, place: Path) -> None:
    server.on("x.read", 1)
    client.read("x.read")
    (path,) = place.glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert len(os.fsencode(path)) <= 107


def test_a_refused_login_is_one_login_for_all(server: Any, connect: Callable[..., BrokerClient]) -> None:
    server.on("auth.login_ex", {"response_type": "EXPIRED"})
    clients = [connect(refused_for=0.5) for _each in range(20)]

    def attempt(client: BrokerClient) -> str:
        with pytest.raises(errors.AuthenticationFailed) as caught:
            client.read("x.read")
        return caught.value.response_type

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(attempt, clients)) == {"EXPIRED"}
    assert len(server.named("auth.login_ex")) == 1
    # It does not stay for ever with a key that may have been put right.
    assert ended(brokers()[-1])
    server.on("auth.login_ex", {"response_type": "SUCCESS"})
    server.on("x.read", 1)
    assert connect().read("x.read") == 1


class TestLostBroker:
    def kill(self) -> None:
        pid = brokers()[-1]
        os.kill(pid, signal.SIGKILL)
        assert ended(pid)

    def test_a_read_goes_to_a_new_one(self, server: Any, client: BrokerClient, kit: Any) -> None:
        server.on("x.read", kit.silence, 2)
        with ThreadPoolExecutor() as pool:
            result = pool.submit(client.read, "x.read")
            server.wait_for(lambda: server.named("x.read"))
            self.kill()
            assert result.result(20) == 2
        assert client.shared

    def test_a_changing_call_that_was_asked_for_is_not_repeated(self, server: Any, client: BrokerClient, kit: Any) -> None:
        server.on("x.change", kit.silence, 2)
        with ThreadPoolExecutor() as pool:
            result = pool.submit(client.call, "x.change")
            server.wait_for(lambda: server.named("x.change"))
            self.kill()
            with pytest.raises(errors.OutcomeUnknown):
                result.result(20)
        assert len(server.named("x.change")) == 1

    def test_a_changing_call_afterwards_goes_to_a_new_one(self, server: Any, connect: Callable[..., BrokerClient]) -> None:
        client = connect()
        server.on("x.read", 1)
        server.on("x.change", 2)
        client.read("x.read")
        self.kill()
        # The line is known to be gone only when it is used; another thread's is new.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(client.call, "x.change").result(20) == 2


class TestInterrupt:
    def test_the_job_is_told_to_stop(self, server: Any, client: BrokerClient, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True, steps=[]))

        async def start(call: Any) -> Any:
            job_id = server.add_job(CREATE, call.params, [call.id])
            server.jobs[job_id]["progress"] = {"percent": 5, "description": "pulling"}
            await server.tell(job_id, "added")
            return job_id

        server.on(CREATE, start)

        def interrupt(progress: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            client.job(CREATE, {"name": "px-a"}, on_progress=interrupt)
        assert "told to stop" in caught.value.__notes__[0]
        assert server.named("core.job_abort")
        server.on("x.read", 1)
        assert client.read("x.read") == 1

    def test_a_client_that_goes_away_stops_its_job(self, server: Any, client: BrokerClient, place: Path, kit: Any) -> None:
        server.on("x.read", 1)
        server.on(CREATE, kit.job(held=True))
        client.read("x.read")
        (path,) = place.glob("*.sock")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.recv(100)
            sock.sendall(json.dumps({"op": "job", "method": CREATE, "params": [{}], "timeout": 60}).encode() + b"\n")
            server.wait_for(lambda: server.named(CREATE))
        server.wait_for(lambda: server.named("core.job_abort"), "the abort")

    def test_closing_stops_the_job_of_another_thread(self, server: Any, client: BrokerClient, kit: Any) -> None:
        """A task that runs out of time is ended in its main thread, while those of its containers wait for their jobs."""
        server.on(CREATE, kit.job(held=True))
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(client.job, CREATE, {"name": "px-a"})
            server.wait_for(lambda: server.named(CREATE))
            client.close()
            with pytest.raises(errors.OutcomeUnknown):
                result.result(10)
        server.wait_for(lambda: server.named("core.job_abort"), "the abort")

    def test_half_a_request_is_not_obeyed(self, server: Any, client: BrokerClient, place: Path) -> None:
        server.on("x.read", 1)
        server.on("x.change", 1)
        client.read("x.read")
        (path,) = place.glob("*.sock")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.recv(100)
            sock.sendall(json.dumps({"op": "call", "method": "x.change", "params": [], "timeout": 60}).encode())
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100) == b""
        assert client.read("x.read") == 1
        assert "x.change" not in server.methods()


class TestWithoutBroker:
    def test_a_session_of_our_own_does_the_same(
        self, server: Any, connect: Callable[..., BrokerClient], monkeypatch: pytest.MonkeyPatch, kit: Any
    ) -> None:
        monkeypatch.setattr(broker_spawn.sys, "executable", "/nowhere/python")
        server.on("x.read", 1)
        server.on("x.change", 2)
        server.on(CREATE, kit.job(result=3))
        client = connect()
        assert (client.read("x.read"), client.call("x.change"), client.job(CREATE, {})) == (1, 2, 3)
        assert not client.shared
        assert len(server.named("auth.login_ex")) == 1

    def test_a_failed_start_is_not_tried_by_everyone(
        self, server: Any, connect: Callable[..., BrokerClient], monkeypatch: pytest.MonkeyPatch, place: Path
    ) -> None:
        monkeypatch.setattr(broker_spawn.sys, "executable", "/nowhere/python")
        server.on("x.read", 1)
        assert connect().read("x.read") == 1
        assert list(place.glob("*.failed"))
        monkeypatch.setattr(broker_spawn.Meeting, "_spawn", lambda *_arguments: pytest.fail("tried again"))
        assert connect().read("x.read") == 1

    def test_a_broker_that_ends_at_its_start(
        self, server: Any, connect: Callable[..., BrokerClient], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker_spawn, "_BOOTSTRAP", "raise SystemExit(1)")
        server.on("x.read", 1)
        client = connect()
        assert client.read("x.read") == 1 and not client.shared


class TestPlace:
    def test_a_directory_that_is_open_to_others_is_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "pixels").mkdir(mode=0o755)
        with pytest.raises(broker_place.NoPlace, match="open to others"):
            broker_place._make(tmp_path / "pixels", os.geteuid())

    def test_a_directory_of_someone_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "pixels").mkdir(mode=0o700)
        with pytest.raises(broker_place.NoPlace, match="another user"):
            broker_place._make(tmp_path / "pixels", os.geteuid() + 1)

    def test_a_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(mode=0o700)
        (tmp_path / "pixels").symlink_to(tmp_path / "real")
        with pytest.raises(broker_place.NoPlace, match="not a directory"):
            broker_place._make(tmp_path / "pixels", os.geteuid())

    def test_a_long_runtime_directory_is_passed_by(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        deep = tmp_path / ("d" * 100)
        deep.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
        made: list[Path] = []
        monkeypatch.setattr(broker_place, "_make", lambda path, _uid: made.append(path))
        assert broker_place.directory() == made[0]
        assert str(deep) not in str(made[0]) and str(os.geteuid()) in made[0].name

    def test_the_name_depends_on_everything_that_matters(self) -> None:
        base = Endpoint.parse("nas", api_key="1-a")
        others = [
            Endpoint.parse("nas", api_key="1-b"),
            Endpoint.parse("nas", api_key="1-a", insecure=True),
            Endpoint.parse("nas", api_key="1-a", ca_file="/ca"),
            Endpoint.parse("nas", api_key="1-a", username="me"),
            Endpoint.parse("nas:444", api_key="1-a"),
        ]
        keys = {broker_place.key_of(endpoint, os.getpid()) for endpoint in [base, *others]} | {broker_place.key_of(base, os.getppid())}
        assert len(keys) == 7
        assert all(len(key) == 16 for key in keys)

    def test_a_controller_is_its_pid_and_its_beginning(self) -> None:
        assert broker_place.start_time(os.getpid()) > 0
        assert broker_place.start_time(2**22 + 1) == 0

    def test_a_stranger_is_not_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert broker_place.same_user(ours)
            uid = os.geteuid()
            monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
            assert not broker_place.same_user(ours)


def test_open_api(server: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_api(server.endpoint(), reuse="never"), Session)
    api = open_api(server.endpoint())
    assert isinstance(api, BrokerClient) and api._meeting._controller_pid == os.getpid()
    explicit = open_api(server.endpoint(), controller_pid=1)
    assert isinstance(explicit, BrokerClient) and explicit._meeting._controller_pid == 1
    assert server.connections == 0


def test_in_a_worker_the_parent_is_the_controller() -> None:
    code = (
        f"import sys, os, multiprocessing; sys.path.insert(0, {str(MODULES)!r})\n"
        "from rpc.connect import open_api\nfrom rpc.endpoint import Endpoint\n"
        "def work(queue): queue.put(open_api(Endpoint.parse('nas', api_key='1-x'))._meeting._controller_pid)\n"
        "context = multiprocessing.get_context('fork'); queue = context.Queue()\n"
        "worker = context.Process(target=work, args=(queue,)); worker.start()\n"
        "assert queue.get(timeout=10) == os.getpid(); worker.join()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_the_wire_needs_nothing_of_ansible() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(MODULES)!r})\n"
        "import rpc.broker_client, rpc.connect, rpc.shell, rpc.versions\n"
        "assert not {'websocket', 'requests'} & set(sys.modules), 'every task would pay for loading these'\n"
        "import rpc.broker\n"
        "assert not [name for name in sys.modules if name.split('.')[0].startswith('ansible')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
