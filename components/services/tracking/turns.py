"""Publishers of a model take turns, by a queue in the tags of the registered model.

MLflow has neither a lock nor a compare-and-set. But it reads all tags of a model at one moment, and writes a tag at one
moment. That is enough for the bakery algorithm (L. Lamport, "A new solution of Dijkstra's concurrent programming
problem", Communications of the ACM 17, 1974). A publisher announces that it draws a number, draws one above all that it
sees, and waits until those that came before it have left. Each sets tags of its own only, so none overwrites another's.

A publisher that is killed stays in the queue, and the next one removes it. On the same computer it is dead when its
process is gone, which is certain. Elsewhere, or if it hangs, it counts as dead when it gives no sign of life for
SILENCE_S while MLflow answers. This is not certain: such a publisher may go on later, beside another one, until it
calls `check`. A request that was on its way to MLflow when its sender was killed can take effect later, too.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from uuid import uuid4

from ...core.errors import UserError
from ...core.log import logger
from ...core.processes import is_gone, this_process
from .registry import Registry

TICKET = "fabgan.queue."
BEAT = "fabgan.beat."
POLL_S = 0.1
MAX_POLL_S = 2.0
BEAT_S = 10.0
SILENCE_S = 120.0


@dataclass(frozen=True, order=True)
class _Ticket:
    """A place in the queue. A publisher that draws its number has the number 0."""

    number: int
    key: str
    process: str = field(compare=False)


@contextmanager
def turn(registry: Registry, name: str) -> Iterator["Turn"]:
    """Run the block when no other publisher of the model `name` is at work. The model must exist."""
    own, ended = Turn(registry, name), Event()
    beating = Thread(target=own.beat, args=[ended], daemon=True)
    beating.start()
    try:
        while not own.has_come():
            logger("publish").warning("another publisher took this one for dead; it queues up again")
        yield own
    finally:
        ended.set()
        beating.join()
        own.remove(own.key)


class Turn:
    """The place of one publisher in the queue of a model."""

    def __init__(self, registry: Registry, name: str) -> None:
        self.registry, self.name, self.key = registry, name, uuid4().hex
        self._heard: dict[str, tuple[str, float, float]] = {}

    def check(self) -> None:
        """Raise UserError if other publishers took this one for dead, and went on without it."""
        if self.key not in _queue(self.registry.model_tags(self.name)):
            raise UserError(
                f"{self.name}: this process gave no sign of life for {SILENCE_S:g} s, so other publishers went on "
                "without it; run the same command again"
            )

    def has_come(self) -> bool:
        """Queue up and wait. Return True when the turn has come, and False if others took this publisher for dead."""
        self._write(0)
        queue = _queue(self.registry.model_tags(self.name))
        own = self._write(1 + max((ticket.number for ticket in queue.values()), default=0))
        tags = self.registry.model_tags(self.name)
        ahead = _queue(tags).keys() - {self.key}  # who comes later sees the number of this one, and draws a higher one
        if ahead:
            logger("publish").info("%d other publishers of %s are in the queue", len(ahead), self.name)
        while self.key in (queue := _queue(tags)):
            earlier = [queue[key] for key in ahead if key in queue and queue[key] < own]
            ahead = {ticket.key for ticket in earlier if not self._is_dead(ticket, tags.get(BEAT + ticket.key, ""))}
            if not ahead:
                return True
            time.sleep(min(POLL_S * len(ahead), MAX_POLL_S))
            tags = self.registry.model_tags(self.name)
        return False

    def beat(self, ended: Event) -> None:
        """Give signs of life until the event."""
        while not ended.wait(BEAT_S):
            with suppress(Exception):  # the next one may reach MLflow
                self.registry.tag_model(self.name, BEAT + self.key, str(time.time()))

    def remove(self, key: str) -> None:
        """Remove a publisher from the queue."""
        self.registry.untag_model(self.name, BEAT + key)
        self.registry.untag_model(self.name, TICKET + key)

    def _write(self, number: int) -> _Ticket:
        ticket = _Ticket(number, self.key, this_process())
        self.registry.tag_model(self.name, TICKET + self.key, f"{number} {ticket.process}")
        return ticket

    def _is_dead(self, ticket: _Ticket, beat: str) -> bool:
        """Say whether a publisher is dead, and remove it from the queue if it is."""
        is_dead = is_gone(ticket.process) or self._silence_s(ticket.key, beat) > SILENCE_S
        if is_dead:
            logger("publish").warning("a publisher of %s is dead, and leaves the queue: %s", self.name, ticket.process)
            self.remove(ticket.key)
        return is_dead

    def _silence_s(self, key: str, beat: str) -> float:
        """Return for how long a sign of life is the same. Time in which MLflow did not answer does not count."""
        now_s = time.monotonic()
        last_beat, seen_s, silence_s = self._heard.get(key, ("", now_s, 0.0))
        silence_s = silence_s + min(now_s - seen_s, BEAT_S) if beat == last_beat else 0.0
        self._heard[key] = (beat, now_s, silence_s)
        return silence_s


def _queue(tags: dict[str, str]) -> dict[str, _Ticket]:
    """Return the tickets among the tags of a model, by their keys."""
    tickets = {}
    for tag, value in tags.items():
        if tag.startswith(TICKET):
            number, _, process = value.partition(" ")
            tickets[tag.removeprefix(TICKET)] = _Ticket(int(number), tag.removeprefix(TICKET), process)
    return tickets
