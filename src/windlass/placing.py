"""The part of an app that knows the device its jobs run on, and the conditions of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from windlass.clock import Clock
from windlass.duration import Duration
from windlass.store.place import Place, place_of

if TYPE_CHECKING:
    from windlass.config import Settings
    from windlass.device import AnyDevice
    from windlass.handlers import Registry

F = TypeVar("F", bound=Callable[..., Any])


class GivenDevice(Protocol):
    """A device that is given instead of this machine: ``windlass.testing.FakeDevice``."""

    def open(self, on_change: Callable[[], None], *, clock: Clock | None = None) -> AnyDevice:
        """As one dispatcher looks at it."""
        ...


class Placed:
    """What ``Windlass`` has of it."""

    device: GivenDevice | None
    """The device that was given; None: this machine."""
    clock: Clock
    registry: Registry

    if TYPE_CHECKING:

        @property
        def settings(self) -> Settings: ...

    @property
    def place(self) -> Place:
        """Where the database is: what people may read of its name, and the folder of locks and logs."""
        return place_of(self.settings.database)

    @property
    def state_dir(self) -> Path:
        """The folder of locks, bells and logs of this database."""
        return Path(self.place.folder)

    def condition(
        self, name: str, /, *, every: Duration = "30s", timeout: Duration = "5s"
    ) -> Callable[[F], F]:
        """Makes a function a condition that jobs can ask for: ``Constraints(when=name)``.

        It takes nothing and gives True where the condition holds; False, or a text that says why it does not.
        A service calls it ``every`` so often while some job asks for it, on a thread of its own; without an
        answer within ``timeout``, and where it raises, the condition does not hold.

        Raises:
            RegistrationError: the name is taken, the function takes arguments, or a span cannot be right.
        """

        def register(fn: F) -> F:
            self.registry.add_condition(name, fn, every=every, timeout=timeout)
            return fn

        return register

    def open_device(self, on_change: Callable[[], None]) -> AnyDevice:
        """The device, for whoever waits for its conditions; ``on_change`` is called on any thread."""
        if self.device is not None:
            return self.device.open(on_change, clock=self.clock)
        from windlass.device import Device

        return Device(
            on_change, folder=self.place.disk, clock=self.clock, predicates=self.registry.conditions
        )
