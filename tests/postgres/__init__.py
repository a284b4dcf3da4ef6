"""A real PostgreSQL for tests: servers, a pooler and a standby, each of them started and ended by the run.

programs   where PostgreSQL's programs are, and as whom they run
server     one server in a folder of its own under /tmp: started, stopped in every way, started again
standby    a second server that follows the first, and takes its place when it is told to
bouncer    pgbouncer in transaction mode before a server
fixtures   what a test asks for: ``postgres_url`` is the URL of an empty database of its own
"""
