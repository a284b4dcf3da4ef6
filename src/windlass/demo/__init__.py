"""``windlass demo``: the main job on input that every machine has, with two ``kill -9`` on the way.

``app.py`` is the whole program that runs in the background, and meant to be read: one handler of twenty
lines. Everything else is the show around it: ``sources`` finds the files, ``show`` directs, ``victims`` finds
and kills real processes, ``stage`` and ``screen`` tell what happens, ``verdict`` counts what is in the
database afterwards and believes nothing it was told on the way.
"""
