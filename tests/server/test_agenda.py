from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from bench.server.agenda import Agenda


def test_plans_are_carried_out_by_instant_then_by_order() -> None:
    agenda = Agenda()
    done: list[tuple[str, int]] = []
    for name, due_ns in [("late", 30), ("first", 10), ("second", 10), ("never", 31)]:
        agenda.plan(due_ns, partial(lambda name, at_ns: done.append((name, at_ns)), name))
    agenda.carry_out(30)
    assert done == [("first", 10), ("second", 10), ("late", 30)]
    assert agenda.next_due_ns == 31


def test_nothing_is_due_while_nothing_is_planned() -> None:
    agenda = Agenda()
    assert agenda.next_due_ns is None
    agenda.carry_out(1_000)
    assert agenda.next_due_ns is None


def test_what_is_planned_meanwhile_is_carried_out_too() -> None:
    agenda = Agenda()
    done: list[int] = []

    def again(at_ns: int) -> None:
        done.append(at_ns)
        agenda.plan(at_ns + 10, again)

    agenda.plan(10, again)
    agenda.carry_out(35)
    assert done == [10, 20, 30]
    assert agenda.next_due_ns == 40


def test_a_plan_may_drop_another_of_its_instant() -> None:
    agenda = Agenda()
    done: list[str] = []
    numbers: list[int] = []
    agenda.plan(5, lambda _at_ns: agenda.drop(numbers[0]))
    numbers.append(agenda.plan(5, lambda _at_ns: done.append("dropped")))
    agenda.plan(5, lambda _at_ns: done.append("kept"))
    agenda.carry_out(5)
    assert done == ["kept"]


def test_dropping_what_was_done_or_never_planned_drops_nothing_else() -> None:
    agenda = Agenda()
    done: list[str] = []
    number = agenda.plan(1, lambda _at_ns: done.append("one"))
    agenda.carry_out(1)
    agenda.drop(number)
    agenda.drop(99)
    agenda.plan(2, lambda _at_ns: done.append("two"))
    agenda.carry_out(2)
    assert done == ["one", "two"]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans())),
    st.lists(st.integers(0, 25), max_size=5),
)
def test_any_plans_happen_once_in_order_unless_dropped(
    plans: list[tuple[int, bool]], steps: list[int]
) -> None:
    agenda = Agenda()
    done: list[tuple[int, int]] = []
    expected: list[tuple[int, int]] = []
    for index, (due_ns, dropped) in enumerate(plans):
        number = agenda.plan(due_ns, partial(lambda index, at: done.append((at, index)), index))
        if dropped:
            agenda.drop(number)
            agenda.drop(number)
        else:
            expected.append((due_ns, index))
    for step in sorted(steps):
        agenda.carry_out(step)
        assert done == sorted(entry for entry in expected if entry[0] <= step)
        upcoming = [due_ns for due_ns, _ in expected if due_ns > step]
        assert agenda.next_due_ns == min(upcoming, default=None)
