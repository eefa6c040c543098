"""The kernel's rules of order, hand-over and deadlines, on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.runtime.kernel import Cancelled
from tests.gateway.runtime.engines import MS, Run, S

# --- Order ------------------------------------------------------------------------------------


def test_ready_tasks_run_first_in_first_out(run: Run) -> None:
    """A task that is woken runs before one that is spawned afterwards."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []
        flag = rt.event()

        async def waiter() -> None:
            await flag.wait()
            order.append("woken")

        async def newcomer() -> None:
            order.append("spawned")

        async with rt.nursery() as nursery:
            nursery.spawn(waiter(), name="waiter")
            await rt.sleep(0)
            flag.set()
            nursery.spawn(newcomer(), name="newcomer")
        return order

    assert run(main) == ["woken", "spawned"]


def test_what_completes_at_once_does_not_switch(run: Run) -> None:
    """A put with a place, a get with an item, a free lock and a set flag keep the turn."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []
        queue, lock, flag = rt.queue(2), rt.lock(), rt.event()
        flag.set()

        async def other() -> None:
            order.append("other")

        async with rt.nursery() as nursery:
            nursery.spawn(other(), name="other")
            await queue.put(1)
            await queue.get()
            async with lock:
                await flag.wait()
            order.append("body")
        return order

    assert run(main) == ["body", "other"]


def test_what_completes_at_once_does_not_look_at_cancellation(run: Run) -> None:
    """In a cancelled scope an item that is there can still be taken; the next wait is cut."""

    async def main(rt: Any) -> list[object]:
        queue = rt.queue(1)
        await queue.put("item")
        seen: list[object] = []
        with rt.scope() as scope:
            scope.cancel()
            seen.append(await queue.get())
            await rt.sleep(0)
            seen.append("not reached")
        return [*seen, scope.cancelled]

    assert run(main) == ["item", True]


def test_sleep_0_is_one_turn_for_every_ready_task(run: Run) -> None:
    """Two tasks that only sleep(0) take turns."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []

        async def turns(name: str) -> None:
            for _ in range(3):
                order.append(name)
                await rt.sleep(0)

        async with rt.nursery() as nursery:
            nursery.spawn(turns("a"), name="a")
            nursery.spawn(turns("b"), name="b")
        return order

    assert run(main) == ["a", "b", "a", "b", "a", "b"]


def test_sleep_0_is_decided_from_the_start(run: Run) -> None:
    """A cancel during sleep(0) is seen at the next wait, and no stale wake follows."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def sleeper() -> None:
            await rt.sleep(0)
            seen.append("slept")
            await rt.sleep(S)
            seen.append("not reached")

        async with rt.nursery() as nursery:
            task = nursery.spawn(sleeper(), name="sleeper")
            await rt.sleep(0)
            task.cancel()
        return seen

    assert run(main) == ["slept"]


def test_a_cancelled_sleep_does_not_wake_a_later_wait(virtual_run: Run) -> None:
    """The timer of a sleep that was cut is gone: a later wait lasts its own time."""

    async def main(rt: Any) -> list[int]:
        at: list[int] = []
        with rt.timeout(1 * MS) as scope, rt.scope():
            scope.cancel()
            await rt.sleep(5 * MS)
        await rt.sleep(0)
        await rt.sleep(9 * MS)
        at.append(rt.now())
        return at

    assert virtual_run(main) == [9 * MS]


def test_timers_of_one_instant_fire_in_the_order_of_their_creation(virtual_run: Run) -> None:
    """Eight sleeps that end together end in the order in which they began."""

    async def main(rt: Any) -> list[int]:
        order: list[int] = []

        async def sleeper(number: int) -> None:
            await rt.sleep_until(8 * MS)
            order.append(number)

        async with rt.nursery() as nursery:
            for number in range(8):
                nursery.spawn(sleeper(number), name=str(number))
        return order

    assert virtual_run(main) == list(range(8))


def test_a_timer_runs_its_task_in_its_own_turn(virtual_run: Run) -> None:
    """What the first of two sleepers wakes runs behind the second sleeper."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []
        flag = rt.event()

        async def first() -> None:
            await rt.sleep(MS)
            order.append("first")
            flag.set()

        async def second() -> None:
            await rt.sleep(MS)
            order.append("second")

        async def woken() -> None:
            await flag.wait()
            order.append("woken")

        async with rt.nursery() as nursery:
            for coroutine in (first(), second(), woken()):
                nursery.spawn(coroutine, name="task")
        return order

    assert virtual_run(main) == ["first", "second", "woken"]


# --- A decided wait is never taken back -------------------------------------------------------


def test_the_first_woken_cannot_take_back_the_wake_of_the_second(run: Run) -> None:
    """Of two woken by one event the first cancels the second: it wakes, its next wait is cut."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        flag = rt.event()
        tasks: list[Any] = []

        async def first() -> None:
            await flag.wait()
            tasks[1].cancel()

        async def second() -> None:
            await flag.wait()
            seen.append("woken")
            await rt.sleep(S)
            seen.append("not reached")

        async with rt.nursery() as nursery:
            tasks += [nursery.spawn(first(), name="1"), nursery.spawn(second(), name="2")]
            await rt.sleep(0)
            flag.set()
        return seen

    assert run(main) == ["woken"]


def test_an_item_that_was_handed_over_is_kept_by_a_cancelled_getter(run: Run) -> None:
    """Put, then cancel the getter: it has the item all the same."""

    async def main(rt: Any) -> list[object]:
        seen: list[object] = []
        queue = rt.queue(1)

        async def getter() -> None:
            seen.append(await queue.get())
            await rt.sleep(0)
            seen.append("not reached")

        async with rt.nursery() as nursery:
            task = nursery.spawn(getter(), name="getter")
            await rt.sleep(0)
            await queue.put("item")
            task.cancel()
        return [*seen, len(queue)]

    assert run(main) == ["item", 0]


def test_a_cancelled_getter_takes_nothing(run: Run) -> None:
    """Cancel the getter, then put: the item stays for the next one."""

    async def main(rt: Any) -> object:
        queue = rt.queue(1)

        async def getter() -> None:
            await queue.get()

        async with rt.nursery() as nursery:
            task = nursery.spawn(getter(), name="getter")
            await rt.sleep(0)
            task.cancel()
            await queue.put("item")
        return await queue.get()

    assert run(main) == "item"


def test_a_cancelled_putter_puts_nothing(run: Run) -> None:
    """A put that was cut while it waited for a place leaves no item behind."""

    async def main(rt: Any) -> list[object]:
        queue = rt.queue(1)
        await queue.put("old")

        async def putter() -> None:
            await queue.put("new")

        async with rt.nursery() as nursery:
            task = nursery.spawn(putter(), name="putter")
            await rt.sleep(0)
            task.cancel()
        return [await queue.get(), len(queue)]

    assert run(main) == ["old", 0]


def test_a_lock_that_was_handed_over_is_released_by_a_cancelled_taker(run: Run) -> None:
    """Release to a waiter, then cancel it: it enters, is cut inside, and lets go."""

    async def main(rt: Any) -> list[object]:
        seen: list[object] = []
        lock = rt.lock()

        async def taker() -> None:
            async with lock:
                seen.append("inside")
                await rt.sleep(S)

        async with rt.nursery() as nursery:
            async with lock:
                task = nursery.spawn(taker(), name="taker")
                await rt.sleep(0)
            task.cancel()
        return [*seen, lock.locked]

    assert run(main) == ["inside", False]


# --- Hand-over --------------------------------------------------------------------------------


def test_an_item_put_for_a_waiter_is_not_stolen(run: Run) -> None:
    """An item goes to the longest-waiting getter though a third task asks first afterwards."""

    async def main(rt: Any) -> list[object]:
        seen: list[object] = []
        queue = rt.queue(1)

        async def getter() -> None:
            seen.append(("getter", await queue.get()))

        async with rt.nursery() as nursery:
            nursery.spawn(getter(), name="getter")
            await rt.sleep(0)
            await queue.put(1)
            thief = queue.put_nowait(2) and await queue.get()
            seen.append(("thief", thief))
        return seen

    assert run(main) == [("thief", 2), ("getter", 1)]


def test_items_and_places_go_to_the_longest_waiter(run: Run) -> None:
    """Getters are served in the order of their coming, and so are putters."""

    async def main(rt: Any) -> list[object]:
        seen: list[object] = []
        queue = rt.queue(1)

        async def getter(name: str) -> None:
            seen.append((name, await queue.get()))

        async def putter(item: int) -> None:
            await queue.put(item)

        async with rt.nursery() as nursery:
            for name in "abc":
                nursery.spawn(getter(name), name=name)
            await rt.sleep(0)
            for item in range(3):
                await queue.put(item)
        async with rt.nursery() as nursery:
            for item in range(10, 14):
                nursery.spawn(putter(item), name=str(item))
            await rt.sleep(0)
            seen += [await queue.get() for _ in range(4)]
        return seen

    assert run(main) == [("a", 0), ("b", 1), ("c", 2), 10, 11, 12, 13]


def test_a_lock_goes_to_the_longest_waiter(run: Run) -> None:
    """The releaser cannot take the lock again before those who wait."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []
        lock = rt.lock()

        async def taker(name: str) -> None:
            async with lock:
                order.append(name)
                await rt.sleep(0)

        async with rt.nursery() as nursery:
            async with lock:
                for name in "ab":
                    nursery.spawn(taker(name), name=name)
                await rt.sleep(0)
            async with lock:
                order.append("again")
        return order

    assert run(main) == ["a", "b", "again"]


def test_a_lock_is_not_reentrant(run: Run) -> None:
    """Taking a lock twice is an error at once, not a wait for ever."""

    async def main(rt: Any) -> None:
        lock = rt.lock()
        async with lock, lock:
            pass

    with pytest.raises(RuntimeError, match="holds already"):
        run(main)


def test_an_event_wakes_in_wait_order_and_clear_does_not_stop_it(run: Run) -> None:
    """All who wait at `set` go on, though the flag is lowered at once; later ones wait."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []
        flag = rt.event()

        async def waiter(name: str) -> None:
            await flag.wait()
            order.append(name)

        async with rt.nursery() as nursery:
            for name in "abc":
                nursery.spawn(waiter(name), name=name)
            await rt.sleep(0)
            flag.set()
            flag.clear()
            late = nursery.spawn(waiter("late"), name="late")
            await rt.sleep(0)
            await rt.sleep(0)
            late.cancel()
        return order

    assert run(main) == ["a", "b", "c"]


def test_put_nowait_says_whether_there_was_a_place(run: Run) -> None:
    """A full queue takes nothing without waiting, and a queue has at least one place."""

    async def main(rt: Any) -> list[bool]:
        queue = rt.queue(1)
        with pytest.raises(ValueError, match="at least one place"):
            rt.queue(0)
        return [queue.put_nowait(1), queue.put_nowait(2)]

    assert run(main) == [True, False]


# --- Deadlines --------------------------------------------------------------------------------


def test_what_arrives_at_the_deadline_is_in_time(virtual_run: Run) -> None:
    """Data and deadline at one instant: the data wins, over three hops as well."""

    async def main(rt: Any) -> object:
        hops = [rt.queue(1) for _ in range(3)]

        async def source() -> None:
            await rt.sleep_until(10 * MS)
            await hops[0].put("data")

        async def hop(number: int) -> None:
            await hops[number + 1].put(await hops[number].get())

        async with rt.nursery() as nursery:
            # The deadline's timer is the older one, and loses all the same.
            with rt.deadline(10 * MS):
                nursery.spawn(source(), name="source")
                nursery.spawn(hop(0), name="hop 0")
                nursery.spawn(hop(1), name="hop 1")
                return await hops[2].get()

    assert virtual_run(main) == "data"


def test_a_block_that_needs_no_wait_is_in_time(run: Run) -> None:
    """timeout(0) and a deadline that has passed do not disturb what completes at once."""

    async def main(rt: Any) -> str:
        queue = rt.queue(1)
        await rt.sleep(1 * MS)
        with rt.timeout(0), rt.deadline(0):
            await queue.put(1)
            await queue.get()
        return "in time"

    assert run(main) == "in time"


def test_timeout_0_still_lets_the_ready_finish(run: Run) -> None:
    """Whatever is ready runs before a deadline of the same instant."""

    async def main(rt: Any) -> object:
        queue = rt.queue(1)

        async def source() -> None:
            await queue.put("data")

        async with rt.nursery() as nursery:
            nursery.spawn(source(), name="source")
            with rt.timeout(0):
                return await queue.get()

    assert run(main) == "data"


def test_a_timeout_raises_timeout_error_and_names_itself(run: Run) -> None:
    """A block that waits beyond its time raises TimeoutError."""

    async def main(rt: Any) -> None:
        with rt.timeout(2 * MS):
            await rt.event().wait()

    with pytest.raises(TimeoutError, match="timeout of 2000000 ns"):
        run(main)


def test_a_timeout_raises_for_its_own_expiry_only(run: Run) -> None:
    """The outer of two expires: the inner one raises nothing of its own."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        try:
            with rt.timeout(1 * MS):
                try:
                    with rt.timeout(10 * S):
                        await rt.event().wait()
                except TimeoutError:
                    seen.append("inner")
        except TimeoutError:
            seen.append("outer")
        return seen

    assert run(main) == ["outer"]


def test_a_cancelled_timeout_is_left_without_an_error(run: Run) -> None:
    """`cancel` on a timeout's scope is a cancel, not an expiry."""

    async def main(rt: Any) -> bool:
        with rt.timeout(10 * S) as scope:
            scope.cancel()
            await rt.sleep(S)
        return bool(scope.cancelled)

    assert run(main) is True


def test_sleep_until_is_absolute(run: Run) -> None:
    """Sleeping until multiples of 2 ms ends at none of them early and does not drift."""

    async def main(rt: Any) -> list[bool]:
        on_time = []
        for at in range(2 * MS, 12 * MS, 2 * MS):
            await rt.sleep_until(at)
            on_time.append(rt.now() >= at)
        await rt.sleep_until(0)
        return on_time

    assert all(run(main))
    assert run.ended_at < S


def test_virtual_time_is_exact(virtual_run: Run) -> None:
    """In virtual time a sleep ends to the nanosecond, and a deadline too."""

    async def main(rt: Any) -> list[int]:
        at = []
        await rt.sleep(1_234_567)
        at.append(rt.now())
        with pytest.raises(TimeoutError), rt.timeout(1):
            await rt.event().wait()
        at.append(rt.now())
        return at

    assert virtual_run(main) == [1_234_567, 1_234_568]


# --- Cancellation -----------------------------------------------------------------------------


def test_cancellation_is_level_triggered(run: Run) -> None:
    """Who swallows a cancel meets it again at the next wait, until the scope is left."""

    async def main(rt: Any) -> int:
        cuts = 0
        with rt.scope() as scope:
            scope.cancel()
            for _ in range(5):
                try:
                    await rt.sleep(S)
                except Cancelled:
                    cuts += 1
        await rt.sleep(0)
        return cuts

    assert run(main) == 5


def test_a_cancel_survives_an_error_that_replaces_it(run: Run) -> None:
    """An error raised in clean-up and caught inside the scope does not lose the cancel."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def clumsy() -> None:
            try:
                try:
                    await rt.sleep(S)
                finally:
                    raise ValueError("clean-up")
            except ValueError:
                seen.append("caught")
            await rt.sleep(S)
            seen.append("not reached")

        async with rt.nursery() as nursery:
            task = nursery.spawn(clumsy(), name="clumsy")
            await rt.sleep(0)
            task.cancel()
        return seen

    assert run(main) == ["caught"]


def test_the_outermost_cancelled_scope_comes_first(run: Run) -> None:
    """With both scopes cancelled the wait leaves the outer one at once."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        with rt.scope() as outer:
            with rt.scope() as inner:
                inner.cancel()
                outer.cancel()
                await rt.sleep(0)
            seen.append("not reached")
        return seen

    assert run(main) == []


def test_a_block_that_never_leaves_its_cancelled_scope_is_a_runaway(run: Run) -> None:
    """More than 100 deliveries in one scope raise Runaway, which is no Exception."""

    async def main(rt: Any) -> None:
        with rt.scope() as scope:
            scope.cancel()
            while True:
                try:
                    await rt.sleep(0)
                except Cancelled:
                    continue

    with pytest.raises(BaseException, match="100 times") as caught:
        run(main)
    assert type(caught.value).__name__ == "Runaway"
    assert not isinstance(caught.value, Exception)


def test_cancelling_oneself_acts_at_the_next_wait(run: Run) -> None:
    """A task that cancels itself runs on to its next wait."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        tasks: list[Any] = []

        async def suicidal() -> None:
            tasks[0].cancel()
            seen.append("still here")
            await rt.sleep(0)
            seen.append("not reached")

        async with rt.nursery() as nursery:
            tasks.append(nursery.spawn(suicidal(), name="suicidal"))
        return seen

    assert run(main) == ["still here"]


def test_cancelling_a_finished_task_does_nothing(run: Run) -> None:
    """The result of a task that has ended stays."""

    async def main(rt: Any) -> object:
        async def answer() -> int:
            return 42

        async with rt.nursery() as nursery:
            task = nursery.spawn(answer(), name="answer")
            await rt.sleep(0)
            task.cancel()
            return [task.done, await task.join()]

    assert run(main) == [True, 42]


def test_a_scope_cancelled_before_it_is_entered_cuts_the_first_wait(run: Run) -> None:
    """A cancel is not lost because the block has not begun."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        scope = rt.scope()
        scope.cancel()
        with scope:
            seen.append("entered")
            await rt.sleep(0)
            seen.append("not reached")
        return seen

    assert run(main) == ["entered"]


def test_a_shield_lets_clean_up_finish_under_two_cancels(run: Run) -> None:
    """Clean-up that waits under a shield is cut neither by the first cancel nor by a second."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def worker() -> None:
            try:
                await rt.sleep(S)
            finally:
                with rt.shield(S):
                    await rt.sleep(2 * MS)
                    seen.append("cleaned up")
                await rt.sleep(0)
                seen.append("not reached")

        async with rt.nursery() as nursery:
            task = nursery.spawn(worker(), name="worker")
            await rt.sleep(0)
            task.cancel()
            await rt.sleep(1 * MS)
            nursery.cancel()
        return seen

    assert run(main) == ["cleaned up"]


def test_a_shield_has_its_own_limit(run: Run) -> None:
    """Clean-up that takes too long is cut by its shield with TimeoutError."""

    async def main(rt: Any) -> None:
        with rt.scope() as scope:
            scope.cancel()
            with rt.shield(1 * MS):
                await rt.event().wait()

    with pytest.raises(TimeoutError, match="shield of 1000000 ns"):
        run(main)


def test_a_cancel_inside_a_shield_reaches_its_own_block(run: Run) -> None:
    """A shield hides what is outside it, not a scope inside it."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        with rt.shield(S):
            with rt.scope() as inner:
                inner.cancel()
                await rt.sleep(S)
                seen.append("not reached")
            await rt.sleep(0)
            seen.append("shielded")
        return seen

    assert run(main) == ["shielded"]
