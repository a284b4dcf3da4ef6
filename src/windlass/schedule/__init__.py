"""When a schedule is due: pure rules, without a clock.

A *rule* names moments, its *nominal* times. ``Every`` goes by elapsed time, so by the boot clock, and knows
no zones. ``Cron``, ``Daily`` and ``Once`` go by the wall clock. All moments are integers, microseconds.

**When the clocks are changed** (S3) a local time may come never or twice. What is named is served once:

* ``Daily``, and a ``Cron`` whose hour field leaves any hour out, names *local times*. Each fires at the
  first moment when the zone's clocks have reached it. So 02:30 on the day that skips from 02:00 to 03:00
  fires at 03:00, together with all else that the gap swallowed, in one run; where 02:30 is repeated it
  fires the first time only.
* A ``Cron`` that allows every hour of the day (``*/5 * * * *``, ``0 0-23 * * *``) names no hour: it says
  what the minutes are, and people mean "every five minutes". It fires at each moment whose minute fits, so
  it goes on through a repeated hour, where the first rule would make it silent for an hour. A gap brings
  nothing extra, as the minutes after it stand in for those it swallowed; only where they do not, because
  the gap is no whole number of its steps (half an hour on Lord Howe Island) or is a whole day (Samoa in
  2011), there is one run at the end of the gap. ``*/2`` in the hour field names the even hours, and is of
  the first kind: the price of never running twice at two o'clock is one longer wait a year.

Nominal times rise strictly, none is ever told that is not after the one before, and each rule's search ends.

**What is kept** is only the nominal time that a schedule waits for. ``due`` says which nominal times get a
run, by the policy for missed ones, and what is waited for next; since that only rises, a clock that is set
back repeats nothing.

``saying.py`` turns what people ask for into rules and back; ``spec.py`` is how a row keeps them.
"""

from __future__ import annotations

from windlass.schedule.firing import Firing, due
from windlass.schedule.rules import SHORTEST_US, Cron, Daily, Every, Once, Rule, between, shortest_gap_us
from windlass.schedule.saying import At, describe, parse, spec_for
from windlass.schedule.spec import Missed, Spec, from_text, to_text

__all__ = [
    "SHORTEST_US",
    "At",
    "Cron",
    "Daily",
    "Every",
    "Firing",
    "Missed",
    "Once",
    "Rule",
    "Spec",
    "between",
    "describe",
    "due",
    "from_text",
    "parse",
    "shortest_gap_us",
    "spec_for",
    "to_text",
]
