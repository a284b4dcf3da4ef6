"""The system bus (D-Bus), as probes use it: properties of services, and a wake-up when some have changed."""

# jeepney has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jeepney import Message

NO_JEEPNEY = "jeepney is not installed, which asks {service}: pip install 'windlass[device]'"

_BUS = "org.freedesktop.DBus"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_REPLY_S = 10.0
_NOT_THERE = frozenset(
    f"org.freedesktop.DBus.Error.{name}"
    for name in (
        "NameHasNoOwner", "ServiceUnknown", "UnknownInterface", "UnknownMethod", "UnknownObject",
        "Spawn.ServiceNotFound", "Spawn.ServiceNotValid",
    )
)  # fmt: skip


class Bus:
    """One connection to the system bus, for the thread that opened it.

    Raises:
        ModuleNotFoundError: jeepney is not installed.
        OSError: there is no bus, or it went away.
    """

    def __init__(self) -> None:
        from jeepney import MatchRule
        from jeepney.io.blocking import open_dbus_connection

        try:
            self._connection = open_dbus_connection("SYSTEM")
        except RuntimeError as error:  # an address of a kind that is not known here
            raise ConnectionError(str(error)) from None
        self._signals: deque[Message] = deque(maxlen=1)
        self._connection.filter(MatchRule(type="signal"), queue=self._signals)

    def fileno(self) -> int:
        """Readable when something has arrived."""
        return self._connection.sock.fileno()

    def watch(self, service: str, *paths: str) -> None:
        """From now on ``changed`` tells when properties of these objects change, or the service itself comes
        or goes."""
        comes_or_goes = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{service}'"
        changes = f"type='signal',sender='{service}',interface='{_PROPERTIES}',member='PropertiesChanged'"
        for rule in (comes_or_goes, *(f"{changes},path='{path}'" for path in paths)):
            self._call(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", rule)

    def properties(
        self, service: str, path: str, interface: str, *, start: bool = False
    ) -> dict[str, Any] | None:
        """All properties of an object; None where there is no such service or object.

        ``start``: the bus may start the service for this.
        """
        body = self._call(service, path, _PROPERTIES, "GetAll", interface, start=start)
        return None if body is None else {name: value for name, (_, value) in body[0].items()}

    def changed(self) -> bool:
        """True where a signal has come since the last time; reads what has arrived, and waits for nothing."""
        with suppress(TimeoutError):  # everything has been read
            while True:
                self._connection.recv_messages(timeout=0)
        told = bool(self._signals)
        self._signals.clear()
        return told

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()

    def _call(
        self, service: str, path: str, interface: str, method: str, argument: str, *, start: bool = False
    ) -> tuple[Any, ...] | None:
        from jeepney import DBusAddress, HeaderFields, MessageFlag, MessageType, new_method_call

        address = DBusAddress(path, service, interface)
        message = new_method_call(address, method, "s", (argument,))
        if not start:
            message.header.flags |= MessageFlag.no_auto_start
        reply = self._connection.send_and_get_reply(message, timeout=_REPLY_S)
        if reply.header.message_type is not MessageType.error:
            return reply.body
        name = reply.header.fields.get(HeaderFields.error_name, "")
        if name in _NOT_THERE:
            return None
        raise ConnectionError(f"{service} refused {method} of {interface}: {name} {reply.body}")
