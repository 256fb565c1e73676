"""Faults on demand, the control endpoints, the journal."""

from __future__ import annotations

import pytest

from truenas_lab.testing import Closed, RunningLab

CREATE = {"name": "px-a", "image": "debian/12"}


def test_the_control_needs_its_token(in_lab):
    async def scenario(lab: RunningLab) -> None:
        for verb in ("GET", "POST", "DELETE"):
            async with lab.http.request(verb, f"{lab.https}/_lab/faults", headers={"X-Lab-Token": "no"}) as answer:
                assert answer.status == 403
        assert "error" in await lab.control("POST", "faults", {"method": "x", "fault": "nonsense"})
        assert "error" in await lab.control("POST", "state", {"nonsense": 1})

    in_lab(scenario)


def test_lost_before_the_call(in_lab):
    async def scenario(lab: RunningLab) -> None:
        await lab.fault("virt.instance.create", "drop_before")
        client = await lab.login()
        with pytest.raises(Closed):
            await client.call("virt.instance.create", CREATE)
        other = await lab.login()
        assert await other.call("virt.instance.query") == []
        assert await other.call("core.get_jobs", [["method", "=", "virt.instance.create"]]) == []

    in_lab(scenario)


def test_lost_after_the_call(in_lab):
    async def scenario(lab: RunningLab) -> None:
        await lab.fault("virt.instance.create", "drop_after")
        client = await lab.login()
        with pytest.raises(Closed):
            await client.call("virt.instance.create", CREATE)
        other = await lab.login()
        found = await other.call("core.get_jobs", [["method", "=", "virt.instance.create"]], {"get": True})
        assert (await other.finished(found["id"]))["state"] == "SUCCESS"
        assert [line["outcome"] for line in lab.journal("call") if line["method"] == "virt.instance.create"] == ["dropped"]

    in_lab(scenario)


def test_refuse_and_times_and_instance(in_lab):
    async def scenario(lab: RunningLab) -> None:
        await lab.fault("virt.instance.*", "refuse", instance="px-a", errno=16, reason="busy")
        client = await lab.login()
        assert (await client.error("virt.instance.get_instance", "px-b"))["code"] == -32602
        error = await client.error("virt.instance.get_instance", "px-a")
        assert (error["code"], error["data"]["reason"]) == (-32001, "[EBUSY] busy")
        assert (await client.error("virt.instance.get_instance", "px-a"))["code"] == -32602
        await lab.fault("core.ping", "refuse", code=-32000, reason="too many", times=None)
        for _each in range(3):
            assert await client.error("core.ping") == {"code": -32000, "message": "too many"}
        await lab.control("DELETE", "faults")
        assert await client.call("core.ping") == "pong"

    in_lab(scenario)


def test_a_failing_job_before_and_after_its_effect(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await lab.fault("virt.instance.create", "fail_job")
        assert (await client.job("virt.instance.create", CREATE))["state"] == "FAILED"
        assert await client.call("virt.instance.query") == []
        await lab.fault("virt.instance.create", "fail_job_after", errno=5, reason="disk")
        job = await client.job("virt.instance.create", CREATE)
        assert (job["state"], job["error"], job["exc_info"]["errno"]) == ("FAILED", "[EIO] disk", 5)
        assert (await client.call("virt.instance.query"))[0]["status"] == "RUNNING"

    in_lab(scenario)


def test_a_failing_first_start_leaves_the_instance(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await lab.fault("virt.instance.create", "fail_start", reason="no memory")
        job = await client.job("virt.instance.create", CREATE)
        assert job["error"] == "[EFAULT] Failed to start instance: no memory"
        assert (await client.call("virt.instance.query"))[0]["status"] == "STOPPED"

    in_lab(scenario)


def test_stall(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await lab.fault("virt.instance.create", "stall")
        ident = await client.call("virt.instance.create", CREATE)
        await client.call("core.ping")
        assert (await client.call("core.get_jobs", [["id", "=", ident]]))[0]["state"] == "RUNNING"
        await client.call("core.job_abort", ident)
        assert (await client.finished(ident))["state"] == "ABORTED"

    in_lab(scenario)


def test_lost_events(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.call("core.subscribe", "core.get_jobs")
        await lab.fault("virt.instance.create", "lose_events")
        ident = await client.call("virt.instance.create", CREATE)
        await client.finished(ident)
        assert [event for event in client.events("core.get_jobs") if event["id"] == ident] == []

    in_lab(scenario)


def test_restart_forgets_jobs_and_tokens(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.job("virt.instance.create", CREATE)
        token = await client.call("auth.generate_token")
        await lab.fault("virt.instance.stop", "restart", when="before", seconds=0)
        with pytest.raises(Closed):
            await client.call("virt.instance.stop", "px-a", {"force": True})
        other = await lab.connect()
        assert await other.call("auth.login_with_token", token) is False
        assert await other.call("auth.login_with_api_key", lab.key) is True
        assert await other.call("core.get_jobs") == []
        assert (await other.call("virt.instance.query"))[0]["status"] == "RUNNING"
        assert await other.call("virt.instance.stop", "px-a", {"force": True}) == 1

    in_lab(scenario)


def test_a_restarting_middleware_is_a_bad_gateway(in_lab):
    async def scenario(lab: RunningLab) -> None:
        await lab.state(restart={"seconds": 3600})
        async with lab.http.get(f"{lab.https}/api/versions") as answer:
            assert answer.status == 502

    in_lab(scenario)


def test_a_foreign_instance(in_lab):
    async def scenario(lab: RunningLab) -> None:
        await lab.state(foreign={"name": "px-foreign", "start": True, "environment": {"A": "b"}})
        client = await lab.login()
        entry = await client.call("virt.instance.get_instance", "px-foreign")
        assert (entry["status"], entry["environment"]) == ("RUNNING", {"A": "b"})

    in_lab(scenario)


def test_the_journal_counts_and_hides(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        login = {"mechanism": "API_KEY_PLAIN", "username": "root", "api_key": lab.key}
        await client.call("auth.login_ex", login)
        token = await client.call("auth.generate_token", 600, {}, True, True)
        await client.job("virt.instance.create", {**CREATE, "environment": {"API_TOKEN": "hush", "LANG": "C"}})
        await client.error("virt.instance.get_instance", "px-none")
        calls = lab.journal("call")
        assert [line["method"] for line in calls if line["changes"]] == ["virt.instance.create"]
        assert len([line for line in calls if line.get("login") in (True, "SUCCESS")]) == 2
        failed = [line for line in calls if line["outcome"] == "error"]
        assert [(line["code"], line["errno"]) for line in failed] == [(-32602, 22)]
        text = (lab.settings.directory / "journal.jsonl").read_text()
        for secret in (lab.key, lab.key.partition("-")[2], token, "hush"):
            assert secret not in text
        assert '"LANG": "C"' in text
        states = [line["state"] for line in lab.journal("job") if line["method"] == "virt.instance.create"]
        assert states == ["WAITING", "SUCCESS"]

    in_lab(scenario)
