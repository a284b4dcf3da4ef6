"""``windlass demo sync``: two replicas of real tables, a server that behaves badly, a network that is cut.

``app.py`` is the whole program, and meant to be read: a table and a resource for each collection. Everything
else is the show around it: ``tables`` are the rows, ``host`` is the server's process, ``wire`` the network to
it, ``replica`` one database with its service, ``show`` directs, ``tale`` is who edits what, ``scene`` and
``picture`` are what is seen meanwhile, and ``verdict`` compares every row at the end and believes nothing
that it was told on the way.
"""
