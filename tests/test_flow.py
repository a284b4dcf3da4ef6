"""Chains and groups: what is written, in which order it runs, and what flows on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import outsider
from windlass import (
    Context,
    InvalidJob,
    InvalidPayload,
    JobStatus,
    RegistrationError,
    Results,
    Windlass,
    chain,
    group,
)
from windlass.flow import Flow
from windlass.testing import ManualClock, drain

NONE: Results[int] = Results()
PENDING, COMPLETED, FAILED, CANCELLED = (
    JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED,
)  # fmt: skip


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=clock)
    app.ran = []  # type: ignore[attr-defined]
    declare(app, app.ran)  # type: ignore[attr-defined]
    yield app
    app.close()


def declare(app: Windlass, ran: list[str]) -> None:
    """The jobs of these tests, found by key."""

    @app.job
    def number(value: int) -> int:
        ran.append(f"number {value}")
        return value

    @app.job
    def total(results: Results[int] = NONE) -> int:
        ran.append(f"total {tuple(results)}")
        return sum(results)

    @app.job
    def raw(ctx: Context) -> None:
        ran.append(f"raw {ctx.results} {ctx.results is ctx.results}")

    @app.job
    async def late(results: Results[str]) -> str:
        return "+".join(results)

    @app.job(max_attempts=1)
    def shaky(broken: bool = True) -> int:
        if "mended" in ran:
            return 5
        raise ValueError("no such page")


def number(app: Windlass, value: int, **options: object):
    return app.step("number", {"value": value}, **options)  # type: ignore[arg-type]


def total(app: Windlass):
    return app.step("total")


def ran(app: Windlass) -> list[str]:
    drain(app)
    return app.ran  # type: ignore[attr-defined]


def statuses(flow: Flow) -> list[JobStatus]:
    return [job.status for job in flow.jobs()]


# ── the order ────────────────────────────────────────────────────────────────────────────────────
def test_a_chain_runs_one_after_the_other_and_results_flow_on(app: Windlass) -> None:
    flow = number(app, 1).then(total(app)).then(total(app)).enqueue()
    assert [job.hold for job in flow.jobs()] == [None, "waits for 1 job", "waits for 1 job"]
    assert ran(app) == ["number 1", "total (1,)", "total (1,)"]


def test_what_comes_after_a_group_waits_for_all_of_it_and_gets_its_results_in_order(app: Windlass) -> None:
    flow = group(number(app, 1), number(app, 2, priority=9)).then(total(app)).enqueue()
    assert ran(app) == ["number 2", "number 1", "total (1, 2)"]
    assert flow.jobs()[-1].result == 3


def test_a_group_after_a_step_waits_for_it(app: Windlass) -> None:
    number(app, 7).then(group(total(app), app.step("raw"))).enqueue()
    assert ran(app) == ["number 7", "total (7,)", "raw (7,) True"]


def test_chains_and_groups_nest_freely(app: Windlass) -> None:
    branches = group(
        chain(number(app, 1), total(app)),
        group(number(app, 2), number(app, 3)).then(total(app)),
        number(app, 4),
    )
    flow = chain(branches, total(app)).enqueue()
    drain(app)
    assert [job.result for job in flow.jobs()] == [1, 1, 2, 3, 5, 4, 10]


def test_a_group_of_a_generator_is_one_of_its_steps(app: Windlass) -> None:
    group(number(app, value) for value in range(3)).then(total(app)).enqueue()
    assert ran(app)[-1] == "total (0, 1, 2)"


def test_a_step_in_two_branches_is_one_job(app: Windlass) -> None:
    first = number(app, 1)
    flow = group(first.then(total(app)), first.then(total(app))).then(total(app)).enqueue()
    assert ran(app) == ["number 1", "total (1,)", "total (1,)", "total (1, 1)"]
    assert len(flow) == 4


def test_ids_are_in_the_order_written_also_where_a_later_one_must_come_first(app: Windlass) -> None:
    last = total(app)
    flow = group(last, number(app, 1).then(last)).enqueue()
    assert [job.key for job in flow.jobs()] == ["total", "number"]
    assert flow.ids[0] > flow.ids[1]
    assert ran(app) == ["number 1", "total (1,)"]


def test_work_can_be_enqueued_again_and_makes_new_jobs(app: Windlass) -> None:
    work = number(app, 1).then(total(app))
    assert not set(work.enqueue().ids) & set(work.enqueue().ids)


def test_each_step_has_its_own_options(app: Windlass, clock: ManualClock) -> None:
    later = app.step("total", None, queue="slow", max_attempts=7, delay="10m", tags=["x"])
    flow = number(app, 1).then(later).enqueue()
    job = flow.jobs()[1]
    assert (job.queue, job.max_attempts, job.run_at, job.tags) == ("slow", 7, None, ("x",))
    assert ran(app) == ["number 1"]
    clock.advance("10m")
    assert ran(app) == ["number 1", "total (1,)"]


def test_a_job_function_gives_steps_too(app: Windlass) -> None:
    @app.job
    def greet(name: str) -> str:
        return f"hello {name}"

    flow = group(greet.step("Ada"), greet.using(priority=9).step(name="Bob")).then(app.step("late")).enqueue()
    drain(app)
    assert flow.jobs()[-1].result == "hello Ada+hello Bob"


def test_async_callers_enqueue_and_wait(app: Windlass) -> None:
    async def produce() -> Flow:
        flow = await number(app, 1).then(total(app)).aenqueue()
        await asyncio.to_thread(drain, app)
        tally = await flow.await_("20s")
        assert tally.completed == (await flow.astatus()).total == 2
        return flow

    assert [job.result for job in asyncio.run(produce()).jobs()] == [1, 1]


# ── one commit ───────────────────────────────────────────────────────────────────────────────────
def test_all_is_written_inside_the_callers_transaction_or_nothing(app: Windlass) -> None:
    work = number(app, 1).then(total(app))
    with pytest.raises(KeyError), app.transaction() as connection:  # noqa: PT012 - the block is the claim
        assert len(work.enqueue(connection=connection)) == 2
        raise KeyError
    assert sum(app.jobs.counts().values()) == 0
    with outsider.connected(app.settings.database) as connection:
        flow = work.enqueue(connection=connection)
        assert flow.status().total == 0
        connection.commit()
    assert flow.status().total == 2


def test_a_step_that_cannot_be_leaves_nothing_behind(app: Windlass) -> None:
    work = number(app, 1).then(app.step("total", None, after=[99]))
    with pytest.raises(InvalidJob, match="got 99: there is no such job"):
        work.enqueue()
    assert sum(app.jobs.counts().values()) == 0


def test_a_handler_enqueues_a_flow_in_its_own_transaction(app: Windlass) -> None:
    @app.job
    def plan(ctx: Context) -> None:
        with ctx.transaction():
            number(app, 3).then(total(app)).enqueue()

    plan.enqueue()
    assert ran(app) == ["number 3", "total (3,)"]


# ── after ────────────────────────────────────────────────────────────────────────────────────────
def test_a_job_can_be_enqueued_after_jobs_that_are_there(app: Windlass) -> None:
    first, second = (app.enqueue("number", {"value": value}).id for value in (1, 2))
    job = app.enqueue("total", after=[second, first])
    assert job.hold == "waits for 2 jobs"
    assert ran(app)[-1] == "total (2, 1)"
    assert app.enqueue("total", after=[first]).hold is None


@pytest.mark.parametrize("given", [7, "7", None, ["x"], [True], [1.5]], ids=repr)
def test_after_names_jobs_by_their_ids(app: Windlass, given: object) -> None:
    with pytest.raises(InvalidJob, match=r"after|a job id"):
        app.enqueue("total", after=given)  # type: ignore[arg-type]


def test_a_step_may_have_parents_outside_its_flow_which_come_first(app: Windlass) -> None:
    outside = app.enqueue("number", {"value": 9}).id
    number(app, 1).then(app.step("total", None, after=[outside])).enqueue()
    assert ran(app)[-1] == "total (9, 1)"


# ── what cannot be ───────────────────────────────────────────────────────────────────────────────
def test_a_step_that_comes_after_itself_is_a_cyclic_chain(app: Windlass) -> None:
    first, second = number(app, 1), total(app)
    for work in (
        first.then(first),
        chain(first, second, first),
        group(first.then(second), second.then(first)),
    ):
        with pytest.raises(InvalidJob, match=r"cyclic chain: .* → .*call step\(\) twice"):
            work.enqueue()
    assert sum(app.jobs.counts().values()) == 0


def test_the_circle_is_named(app: Windlass) -> None:
    first, second = number(app, 1), total(app)
    with pytest.raises(InvalidJob, match=r"number → total → number|total → number → total"):
        first.then(second).then(first).enqueue()


@pytest.mark.parametrize("make", [chain, group])
def test_of_nothing_nothing_can_be_made(make: object) -> None:
    with pytest.raises(InvalidJob, match="at least one step, got none"):
        make([])  # type: ignore[operator]


def test_what_is_no_step_is_refused(app: Windlass) -> None:
    job = app.enqueue("total")
    with pytest.raises(InvalidJob, match=r"expected a group of steps.*call step\(\)"):
        group(number(app, 1), job)  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match="expected a chain of steps"):
        number(app, 1).then(len)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", [{"connection": object()}, {"durability": "fast"}], ids=list)
def test_what_is_for_all_steps_is_said_once(app: Windlass, option: dict[str, object]) -> None:
    with pytest.raises(InvalidJob, match=f"expected {next(iter(option))} in the enqueue of all steps"):
        number(app, 1, **option)


def test_steps_of_two_apps_cannot_be_one_flow(app: Windlass, tmp_path: Path) -> None:
    other = Windlass(tmp_path / "other.db")
    with pytest.raises(InvalidJob, match="steps of one app"):
        number(app, 1).then(other.step("total")).enqueue()


def test_a_payload_that_does_not_fit_is_refused_where_the_step_is_made(app: Windlass) -> None:
    with pytest.raises(InvalidPayload, match="value"):
        app.step("number", {"value": "x"})


def test_two_large_groups_want_a_step_between_them(app: Windlass) -> None:
    many = [number(app, value) for value in range(400)]
    work = group(many).then(group(total(app) for _ in range(400)))
    with pytest.raises(InvalidJob, match=r"at most 100,000 pairs .* put one step"):
        work.enqueue()


# ── results ──────────────────────────────────────────────────────────────────────────────────────
def test_a_result_that_does_not_fit_fails_the_child_at_once_and_names_the_parent(app: Windlass) -> None:
    flow = number(app, 1).then(app.step("late")).enqueue()
    drain(app)
    job = flow.jobs()[1]
    assert (job.status, job.attempts, job.reason) == (FAILED, 1, "permanent")
    assert f"the result of job {flow.ids[0]} (number) does not fit" in (job.last_error or "")


def test_a_job_without_parents_has_no_results(app: Windlass) -> None:
    app.enqueue("total")
    app.enqueue("raw")
    assert ran(app) == ["total ()", "raw () True"]


def test_the_results_of_a_parent_that_runs_again_are_waited_for(app: Windlass) -> None:
    flow = number(app, 1).then(total(app)).enqueue()
    drain(app)
    assert app.jobs.retry(flow.ids) == list(flow.ids)
    assert [job.hold for job in flow.jobs()] == [None, "waits for 1 job"]
    assert ran(app) == ["number 1", "total (1,)"] * 2


def test_results_cannot_be_provided(app: Windlass) -> None:
    with pytest.raises(RegistrationError, match="cannot be provided"):
        app.provide(Results[int], Results)  # type: ignore[type-abstract]


def test_results_of_what_json_cannot_hold_are_found_at_start(app: Windlass) -> None:
    @app.job
    def wrong(results: Results[list[int] | list[str]]) -> None: ...

    with pytest.raises(RegistrationError, match="cannot be read from JSON"):
        app.registry.prepare()


def test_a_provider_can_use_the_results(app: Windlass) -> None:
    class Mean(float): ...

    @app.provide(Mean)
    def mean(results: Results[int]) -> Mean:
        return Mean(sum(results) / len(results))

    @app.job
    def report(mean: Mean) -> float:
        return float(mean)

    flow = group(number(app, 1), number(app, 2)).then(report.step()).enqueue()  # type: ignore[call-arg]
    drain(app)
    assert flow.jobs()[-1].result == 1.5


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────
def test_a_failed_step_holds_what_comes_after_with_the_reason_and_a_retry_lets_it_go(app: Windlass) -> None:
    flow = group(number(app, 1), app.step("shaky")).then(total(app)).then(total(app)).enqueue()
    drain(app)
    tally = flow.wait("20s")
    assert (tally.completed, tally.failed, tally.held, tally.stuck) == (1, 1, 2, True)
    _, shaky, child, grandchild = flow.ids
    told = f"parent {shaky} (shaky) FAILED: ValueError: no such page"
    assert app.jobs.why(child).reason == f"it is held: {told}; retry that one, or cancel this one"
    assert app.jobs.why(grandchild).reason == (
        f"it waits for job {child} (total); job {child} (total) is held: {told}"
    )
    assert {app.jobs.why(job_id).code for job_id in (child, grandchild)} == {"held"}
    app.ran.append("mended")  # type: ignore[attr-defined]
    assert flow.retry() == [shaky]
    drain(app)
    assert [job.result for job in flow.jobs()] == [1, 5, 6, 6]


def test_why_names_a_few_of_many_parents(app: Windlass) -> None:
    flow = group(number(app, value) for value in range(1200)).then(total(app)).enqueue()
    why = app.jobs.why(flow.ids[-1])
    assert why.code == "waiting"
    assert why.reason == (
        "it waits for 1,200 jobs: 1 (number), 2 (number), 3 (number), 4 (number), 5 (number) and 1,195 more"
    )


def test_a_cancelled_flow_cancels_all_that_is_not_over(app: Windlass) -> None:
    flow = number(app, 1).then(total(app)).then(total(app)).enqueue()
    assert set(flow.cancel().values()) == {CANCELLED}
    other = number(app, 1).then(total(app)).enqueue()
    app.jobs.cancel(other.ids[0])
    assert statuses(other) == [CANCELLED, CANCELLED]
    assert sorted(other.retry()) == list(other.ids)
    assert ran(app) == ["number 1", "total (1,)"]


def test_waiting_for_a_flow_ends_with_the_time_that_was_given(app: Windlass) -> None:
    flow = number(app, 1).then(total(app)).enqueue()
    with pytest.raises(TimeoutError, match="0 of 2 jobs are over after 1ms"):
        flow.wait("1ms")


def test_a_handle_for_jobs_of_earlier(app: Windlass) -> None:
    ids = number(app, 1).then(total(app)).enqueue().ids
    drain(app)
    flow = app.flow([*ids, 99])
    assert flow.status().done == 2
    assert [job.id for job in flow.jobs()] == list(ids)
    assert statuses(flow) == [COMPLETED, COMPLETED]


def test_an_embedded_service_runs_a_flow_at_once(database_url: str) -> None:
    """A child is found when its parent ends, not at the next slow look."""
    app = Windlass(database_url, poll=60.0)
    declare(app, [])
    with app.running(threads=2):
        flow = group(number(app, value) for value in range(20)).then(total(app)).then(total(app)).enqueue()
        assert flow.wait("20s").completed == 22
    assert flow.jobs()[-1].result == sum(range(20))
    app.close()
