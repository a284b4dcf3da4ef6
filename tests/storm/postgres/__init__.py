"""The storm on PostgreSQL: three hosts in networks of their own, a pair of servers, and a pooler.

What may happen, beside ``kill -9`` among the processes of each host:

* the server crashes (``pg_ctl -m immediate``) and comes back, or its standby takes its place for good;
* sessions are ended by ``pg_terminate_backend``, those first that wait for their commit to be on the standby;
* the pooler, through which the third host comes, crashes;
* a host's link is cut, silently, in one direction or in both, for less or for longer than a lease;
* a host is stopped as it stands and goes on when others have its jobs, or it vanishes altogether: every other
  time the one whose dispatcher leads.

Histories, triggers and the checker are the storm's own (``tests/storm``). What was told is on both servers
(``synchronous_standby_names``), so that a failover is no excuse for a job that is lost.
"""
