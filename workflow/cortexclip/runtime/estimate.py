"""How long a run may still take: what its remaining jobs cost, corrected by what finished ones took."""

from __future__ import annotations

import collections
import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass

UNSURE = 10.0
"""Seconds of expected work before what was measured weighs as much as what was expected."""


@dataclass(frozen=True)
class Job:
    """A job of a run.

    Attributes
    ----------
    number : its name here.
    kind : jobs of one kind cost alike, relative to what is expected of them; its first word is the stage.
    expected : seconds that it is expected to take: recorded by an earlier run, or stated.
    needs : numbers of the jobs that must end first.
    label, log : what it is called, and its log file, for those who report on it.
    """

    number: int
    kind: str
    expected: float
    needs: frozenset[int] = frozenset()
    label: str = ""
    log: str = ""


class Estimate:
    """The time left of a run of ``jobs``, of which ``slots`` run at once. Times are seconds of any clock.

    What finished jobs took, relative to what was expected, corrects the jobs of the same kind, less surely those of the
    same stage and least those of all others. It counts by the work that was expected of them, beside that of the job
    that is corrected: that many short jobs are slow says little of a long one. The remaining jobs are then laid out on
    the slots, each after the jobs that it needs.
    """

    def __init__(self, jobs: Iterable[Job], slots: int):
        self.jobs = {job.number: job for job in jobs}
        self.slots = max(1, slots)
        self.started: dict[int, float] = {}
        self.ended: set[int] = set()
        self._share: dict[int, float] = {}
        self._took: dict[str, float] = collections.defaultdict(float)
        self._expected: dict[str, float] = collections.defaultdict(float)

    def start(self, number: int, now: float) -> None:
        """Record that a job has started."""
        self.started[number] = now

    def finish(self, number: int, now: float) -> None:
        """Record that a job has ended."""
        job = self.jobs.get(number)
        if job is None or number in self.ended:
            return
        self.ended.add(number)
        for kind in _kinds(job):
            self._took[kind] += now - self.started.get(number, now)
            self._expected[kind] += job.expected

    def progress(self, number: int, share: float) -> None:
        """Record how much of a job that runs is done by its own account, a share in 0..1."""
        self._share[number] = share

    def left(self, now: float) -> float:
        """Seconds until the last job ends."""
        cost = {number: job.expected * self._factor(job) for number, job in self.jobs.items()}
        running = [number for number in self.started if number in self.jobs and number not in self.ended]
        ends = {}
        for number in running:
            elapsed, share = now - self.started[number], self._share.get(number, 0)
            if share > 0:
                ends[number] = elapsed * (1 / share - 1)
            else:  # late means that it will be later still, in proportion
                ends[number] = max(cost[number] - elapsed, elapsed / 5)
        return self._laid_out(cost, ends)

    def _factor(self, job: Job) -> float:
        factor, doubt = 1.0, max(job.expected, UNSURE)
        for kind in _kinds(job):  # each more like the job than the last
            factor = (self._took[kind] + factor * doubt) / (self._expected[kind] + doubt)
            doubt = max(job.expected, 0.1)  # as sure as of one such job
        return factor

    def _laid_out(self, cost: dict[int, float], ends: dict[int, float]) -> float:
        """When the last job ends, if those that run end at ``ends`` and each other one starts as soon as it can."""
        waiting = {n: set(job.needs) & cost.keys() - self.ended for n, job in self.jobs.items()}
        after = collections.defaultdict(list)
        for number, needs in waiting.items():
            for need in needs:
                after[need].append(number)
        left = [number for number in self.jobs if number not in self.ended and number not in ends]
        ready = collections.deque(number for number in left if not waiting[number])
        busy = [(end, number) for number, end in ends.items()]
        heapq.heapify(busy)
        now = 0.0
        while busy or ready:
            while ready and len(busy) < self.slots:
                number = ready.popleft()
                heapq.heappush(busy, (now + cost[number], number))
            now, number = heapq.heappop(busy)
            for other in after[number]:
                waiting[other].discard(number)
                if not waiting[other]:
                    ready.append(other)
        return now


def _kinds(job: Job) -> list[str]:
    """What a job is counted under: all jobs, those of its stage, those of its kind."""
    return list(dict.fromkeys(["", job.kind.split()[0], job.kind]))


def in_words(seconds: float) -> str:
    """A time as one says it: "about 20 s", "about 3 min", "about 2 h 10 min"."""
    if seconds < 95:
        return f"about {max(5, 5 * math.ceil(seconds / 5))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    minutes = 10 * round(minutes / 10)
    return f"about {minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
