"""A good little REST server, of the standard library alone: something to sync with that needs no installing.

``python -m windlass.demo.server`` runs it on loopback; the demo, the tutorial and tests of programs that sync
start it in their own process::

    with StoreServer() as server:
        remote = RestRemote(f"{server.url}/tasks")

``serving`` is sockets and HTTP, ``shelf`` what the server keeps, ``store`` what it answers. It keeps all in
memory and asks nobody who they are: no server for anything but loopback.
"""
