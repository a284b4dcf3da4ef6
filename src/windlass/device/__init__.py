"""The device that jobs run on: who finds out what a constraint asks for.

* A ``Probe`` (``probe.py``) finds out one fact. It has a thread of its own, which sleeps until the platform
  tells of a change, and says what it finds: nothing is asked again and again where the platform has events.
* ``Device`` (``watch.py``) runs the probes that some constraint asks for, and no others. One that dies is
  started again after a while; until then its fact is unknown, with the reason.
* What follows from the facts is decided in ``windlass.constraints``, which is pure.

Nobody waits for a probe: ``state()`` gives what is known now, and ``on_change`` is called, on the device's
own thread, when a wanted condition begins or ceases to hold.
"""

from __future__ import annotations

from windlass.device.probe import AnyDevice
from windlass.device.watch import Device

__all__ = ["AnyDevice", "Device"]
