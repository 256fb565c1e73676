# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs: events, polling, the queue that throws calls away, lost connections, interrupts."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.api import Progress
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.jobmatch import Verdict, agree, judge
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.jobs import Stopped
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session

CREATE = "virt.instance.create"
SPEC = {"name": "px-a", "image": "debian/12", "autostart": True}


def test_follows_events_to_the_result(server: Any, session: Session, kit: Any) -> None:
    server.on(CREATE, kit.job(result={"id": "px-a"}, steps=[(10, "pulling"), (60, "pulling"), (60, "starting")]))
    told: list[Progress] = []
    assert session.job(CREATE, SPEC, on_progress=told.append) == {"id": "px-a"}
    # What is overtaken by a newer word need not be told, and nothing is told twice.
    assert told[-1] == Progress(60, "starting")
    assert told == [word for word in [Progress(10, "pulling"), Progress(60, "pulling"), Progress(60, "starting")] if word in told]
    # Everything came by events, and one subscription is enough.
    assert server.methods() == ["auth.login_ex", "core.set_options", "core.subscribe", CREATE]
    session.job(CREATE, SPEC)
    assert len(server.named("core.subscribe")) == 1


def test_polls_when_events_stay_out(server: Any, session: Session, kit: Any) -> None:
    server.on(CREATE, kit.job(result=7, events=False))
    assert session.job(CREATE, SPEC) == 7
    polls = server.named("core.get_jobs")
    assert polls[0].params == [[["id", "=", 100]], {"extra": {"raw_result": True}}]


def test_polls_when_the_last_event_was_lost(server: Any, session: Session, kit: Any) -> None:
    server.on(CREATE, kit.job(held=True))
    with ThreadPoolExecutor() as pool:
        result = pool.submit(session.job, CREATE, SPEC)
        server.wait_for(lambda: session.book._watched, "following")
        server.end_job(100, result="late", events=False)
        assert result.result(10) == "late"


def test_polls_when_subscribing_is_not_allowed(server: Any, session: Session, kit: Any) -> None:
    server.on("core.subscribe", kit.fault(-32001, 13, "[EACCES]"))
    server.on(CREATE, kit.job(result=1))
    assert session.job(CREATE, SPEC) == 1


def test_a_method_that_is_no_job_in_this_version(server: Any, session: Session) -> None:
    server.on("container.start", None)
    assert session.job("container.start", 3) is None
    server.on("container.start", True)
    assert session.job("container.start", 3) is True


def test_validation_inside_the_job(server: Any, session: Session, kit: Any) -> None:
    info = {"repr": "", "type": "VALIDATION", "errno": None, "extra": [["virt_instance_create.name", "Name 'px-a' already exists", 22]]}
    server.on(CREATE, kit.job(state="FAILED", error="[EINVAL] ...", exc_info=info))
    with pytest.raises(errors.ValidationFailed, match="already exists") as caught:
        session.job(CREATE, SPEC)
    assert caught.value.fields == [("virt_instance_create.name", "Name 'px-a' already exists", 22)]


def test_not_found_inside_the_job(server: Any, session: Session, kit: Any) -> None:
    info = {"repr": "", "type": "VALIDATION", "errno": 2, "extra": [[None, "VirtInstance px-a does not exist", 2]]}
    server.on("virt.instance.delete", kit.job(state="FAILED", error="[ENOENT] ...", exc_info=info))
    with pytest.raises(errors.NotFound):
        session.job("virt.instance.delete", "px-a")


@pytest.mark.parametrize("number", [2, 14, None])
def test_d28_another_failure_is_never_not_found(server: Any, session: Session, kit: Any, number: int | None) -> None:
    info = {"repr": "", "type": "CallError", "errno": number, "extra": None}
    job = kit.job(state="FAILED", error="[EFAULT] px-a does not exist", exc_info=info, logs_excerpt="last words")
    server.on("virt.instance.delete", job)
    with pytest.raises(errors.JobFailed, match="last words") as caught:
        session.job("virt.instance.delete", "px-a")
    assert (caught.value.state, caught.value.errno, caught.value.job_id) == ("FAILED", number, 100)
    assert caught.value.method == "virt.instance.delete"


def test_aborted_by_someone(server: Any, session: Session, kit: Any) -> None:
    server.on(CREATE, kit.job(state="ABORTED"))
    with pytest.raises(errors.JobFailed) as caught:
        session.job(CREATE, SPEC)
    assert caught.value.state == "ABORTED"


def test_refused_at_once(server: Any, session: Session, kit: Any) -> None:
    server.on(CREATE, kit.fault(-32001, 22, "[EINVAL] Error handling job lock"))
    with pytest.raises(errors.CallError) as caught:
        session.job(CREATE)
    assert caught.value.__class__ is errors.CallError


class TestFullQueue:
    """The appliance throws a sixth call away and answers with the id of the last queued job."""

    @pytest.mark.parametrize("message_ids", [True, False])
    def test_waits_for_the_foreign_job_and_calls_again(self, server: Any, session: Session, kit: Any, message_ids: bool) -> None:
        server.message_ids = message_ids
        server.on("core.set_options", {} if message_ids else None)
        foreign = server.add_job("virt.instance.stop", ["px-a", {"timeout": 30}], ["another-1"], "WAITING")

        def throw_away(call: Any) -> int:
            if message_ids:
                server.jobs[foreign]["message_ids"].append(call.id)
            return int(foreign)

        server.on("virt.instance.start", throw_away, kit.job(result=True))
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, "virt.instance.start", "px-a")
            server.wait_for(lambda: server.named("virt.instance.start"))
            assert len(server.named("virt.instance.start")) == 1
            server.end_job(foreign)
            assert result.result(10) is True
        assert len(server.named("virt.instance.start")) == 2

    def test_a_failed_foreign_job_is_not_our_failure(self, server: Any, session: Session, kit: Any) -> None:
        foreign = server.add_job("virt.instance.stop", ["px-a"], ["another-1"], "FAILED")
        server.on("virt.instance.start", lambda call: foreign, kit.job(result="ours"))
        assert session.job("virt.instance.start", "px-a") == "ours"

    def test_a_foreign_job_that_does_the_same_is_good_enough(self, server: Any, session: Session) -> None:
        same = server.add_job("virt.instance.start", ["px-a"], ["another-1"], "WAITING")
        server.on("virt.instance.start", lambda call: same)
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, "virt.instance.start", "px-a")
            server.wait_for(lambda: server.named("virt.instance.start"))
            server.end_job(same, result="done")
            assert result.result(10) == "done"
        assert len(server.named("virt.instance.start")) == 1

    def test_the_same_method_with_other_arguments_is_foreign(self, server: Any, session: Session, kit: Any) -> None:
        other = server.add_job("virt.instance.update", ["px-a", {"cpu": "2"}], ["another-1"], "SUCCESS")
        server.on("virt.instance.update", lambda call: other, kit.job(result="ours"))
        assert session.job("virt.instance.update", "px-a", {"cpu": "4"}) == "ours"

    def test_gives_up_as_busy(self, server: Any, session: Session) -> None:
        foreign = server.add_job("virt.instance.stop", ["px-a"], ["another-1"], "WAITING")
        server.on("virt.instance.start", lambda call: foreign)
        with pytest.raises(errors.Busy, match=f"queue of jobs is full.*job {foreign}"):
            session.job("virt.instance.start", "px-a", timeout=0.3)
        assert "core.job_abort" not in server.methods()

    def test_our_own_jobs_for_one_object_line_up_before(self, server: Any, session: Session, kit: Any) -> None:
        most = 0

        async def start(call: Any) -> Any:
            nonlocal most
            most = max(most, sum(job["state"] in ("WAITING", "RUNNING") for job in server.jobs.values()) + 1)
            await asyncio.sleep(0.01)
            return kit.job(result=call.params[1])

        server.on("virt.instance.update", start)
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(lambda n: session.job("virt.instance.update", "px-a", n), range(20))) == list(range(20))
        assert most <= 4
        assert len(server.named("virt.instance.update")) == 20

    def test_a_turn_that_does_not_come(self, server: Any, session: Session, kit: Any) -> None:
        server.on("virt.instance.update", kit.job(held=True))
        with ThreadPoolExecutor(4) as pool:
            held = [pool.submit(session.job, "virt.instance.update", "px-a", n) for n in range(4)]
            server.wait_for(lambda: len(server.named("virt.instance.update")) == 4)
            with pytest.raises(errors.Busy, match="too many jobs for px-a"):
                session.job("virt.instance.update", "px-a", 5, timeout=0.05)
            server.wait_for(lambda: len(session.book._watched) == 4)
            for job_id in list(server.jobs):
                server.end_job(job_id)
            assert [job.result(10) for job in held] == [True] * 4


class TestLostConnection:
    def test_after_the_id_came(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(result="made", drop="after"))
        assert session.job(CREATE, SPEC) == "made"
        assert len(server.named(CREATE)) == 1 and server.connections == 2

    @pytest.mark.parametrize("message_ids", [True, False])
    def test_before_the_id_came_the_job_is_found_and_followed(self, server: Any, session: Session, kit: Any, message_ids: bool) -> None:
        server.message_ids = message_ids
        server.on("core.set_options", {} if message_ids else None)
        server.add_job(CREATE, [SPEC], ["another-1"], "SUCCESS")  # an older one that looks the same
        server.on(CREATE, kit.job(result="made", drop="before"))
        assert session.job(CREATE, SPEC) == "made"
        assert len(server.named(CREATE)) == 1 and server.connections == 2

    @pytest.mark.parametrize("message_ids", [True, False])
    def test_no_job_was_made_as_far_as_can_be_seen(self, server: Any, session: Session, kit: Any, message_ids: bool) -> None:
        server.message_ids = message_ids
        server.on("core.set_options", {} if message_ids else None)
        server.add_job(CREATE, [SPEC], ["another-1"], "SUCCESS")
        server.on(CREATE, kit.drop)
        with pytest.raises(errors.OutcomeUnknown) as caught:
            session.job(CREATE, SPEC)
        assert caught.value.method == CREATE
        assert len(server.named(CREATE)) == 1

    def test_events_go_on_after_it(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, CREATE, SPEC)
            server.wait_for(lambda: session.book._watched, "following")
            server.cut_all()
            server.wait_for(lambda: any(client.subscribed for client in server.clients if client.number > 1))
            server.end_job(100, result="made")
            assert result.result(10) == "made"
        assert len(server.named("core.subscribe")) == 2

    def test_the_appliance_was_restarted_and_knows_no_job(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, CREATE, SPEC)
            server.wait_for(lambda: session.book._watched, "following")
            server.jobs.clear()
            server.cut_all()
            with pytest.raises(errors.OutcomeUnknown, match="restarted"):
                result.result(10)

    def test_the_appliance_was_restarted_and_the_id_is_another_job(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, CREATE, SPEC)
            server.wait_for(lambda: session.book._watched, "following")
            server.jobs[100].update(method="pool.scrub", state="SUCCESS", time_started={"$date": 5})
            server.cut_all()
            with pytest.raises(errors.OutcomeUnknown, match="restarted"):
                result.result(10)

    def test_the_appliance_stays_away(self, server: Any, open_session: Any, kit: Any) -> None:
        session = open_session(reconnect_for=0.2)
        server.on("auth.login_ex", {"response_type": "SUCCESS"}, kit.drop)
        server.on(CREATE, kit.job(held=True, drop="after"))
        with pytest.raises(errors.OutcomeUnknown, match=r"job 100 (ran|was started)"):
            session.job(CREATE, SPEC)


class TestInterrupt:
    def test_time_out_tells_the_job_to_stop(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        with pytest.raises(errors.CallTimeout, match="was told to stop") as caught:
            session.job(CREATE, SPEC, timeout=0.2)
        assert (caught.value.job_id, caught.value.aborted, caught.value.seconds) == (100, True, 0.2)
        assert server.named("core.job_abort")[0].params == [100]

    def test_time_out_and_the_abort_is_refused(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        server.on("core.job_abort", kit.fault(-32001, 14, "no"))
        with pytest.raises(errors.CallTimeout, match="could not be told to stop"):
            session.job(CREATE, SPEC, timeout=0.2)

    def test_keyboard_interrupt(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(steps=[(5, "pulling")], held=False))

        def interrupt(progress: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            session.job(CREATE, SPEC, on_progress=interrupt)
        assert server.named("core.job_abort")[0].params == [100]
        assert "told to stop" in caught.value.__notes__[0]

    def test_whoever_wanted_it_has_gone(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        stop = threading.Event()
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, CREATE, SPEC, stop=stop)
            server.wait_for(lambda: session.book._watched, "following")
            stop.set()
            session.book.poke()
            with pytest.raises(Stopped):
                result.result(10)
        assert server.named("core.job_abort")[0].params == [100]

    def test_closing_the_session_tells_the_jobs_of_other_threads_to_stop(self, server: Any, session: Session, kit: Any) -> None:
        server.on(CREATE, kit.job(held=True))
        with ThreadPoolExecutor() as pool:
            result = pool.submit(session.job, CREATE, SPEC)
            server.wait_for(lambda: session.book._watched, "following")
            session.close()
            with pytest.raises(Stopped):
                result.result(10)
        assert server.named("core.job_abort")[0].params == [100]


def test_many_jobs_at_once_get_their_own_results(server: Any, session: Session, kit: Any) -> None:
    async def start(call: Any) -> Any:
        await asyncio.sleep(0)
        return kit.job(result=call.params[0]["name"], steps=[(50, call.params[0]["name"])])

    server.on(CREATE, start)
    with ThreadPoolExecutor(40) as pool:
        names = [f"px-{number}" for number in range(40)]
        assert list(pool.map(lambda name: session.job(CREATE, {"name": name}), names)) == names


class TestWhoseJob:
    def record(self, **changes: Any) -> dict[str, Any]:
        return {"id": 10, "method": CREATE, "arguments": [SPEC], **changes}

    def test_by_the_id_of_the_request(self) -> None:
        assert judge(self.record(message_ids=["me"], arguments=["rewritten"]), "me", CREATE, [SPEC], 9) is Verdict.OURS
        assert judge(self.record(message_ids=["other", "me"]), "me", CREATE, [SPEC], 9) is Verdict.SAME
        assert judge(self.record(message_ids=["other", "me"], method="x"), "me", CREATE, [SPEC], 9) is Verdict.FOREIGN

    def test_without_ids_an_older_job_cannot_be_ours(self) -> None:
        assert judge(self.record(), "me", CREATE, [SPEC], 10) is Verdict.SAME
        assert judge(self.record(arguments=[{**SPEC, "image": "x"}]), "me", CREATE, [SPEC], 10) is Verdict.FOREIGN

    def test_without_ids_a_newer_job_is_foreign_only_on_proof(self) -> None:
        assert judge(self.record(), "me", CREATE, [SPEC], 9) is Verdict.OURS
        assert judge(self.record(arguments=[{**SPEC, "memory": "rewritten"}]), "me", CREATE, [{**SPEC, "memory": 5}], 9) is Verdict.OURS
        assert judge(self.record(arguments=[{"name": "px-b"}]), "me", CREATE, [SPEC], 9) is Verdict.FOREIGN
        assert judge(self.record(method="virt.instance.start"), "me", CREATE, [SPEC], 9) is Verdict.FOREIGN

    @pytest.mark.parametrize(
        "ours,theirs",
        [
            (["a"], ["a", {"force": False}]),
            ([{"b": 1, "a": 2}], [{"a": 2, "b": 1, "c": None}]),
            ([{"cpu": 2}], [{"cpu": "2"}]),
            ([{"password": "x"}], [{"password": "********"}]),
            ([{"cpu": None}], [{}]),
        ],
    )
    def test_the_appliance_may_write_arguments_its_own_way(self, ours: Any, theirs: Any) -> None:
        assert agree(ours, theirs)

    @pytest.mark.parametrize("ours,theirs", [(["a"], ["b"]), ([{"a": True}], [{"a": "True"}]), (["a", "b"], ["a"]), ([{"a": 1}], [{}])])
    def test_but_not_say_something_else(self, ours: Any, theirs: Any) -> None:
        assert not agree(ours, theirs)
