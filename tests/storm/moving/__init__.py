"""The storm of a move: everything of a database goes to another while it is used, and the move is killed.

Producers enqueue and a service runs jobs in the first database until it refuses them. ``windlass move`` is
killed with -9 at random moments and started again, until it says that it is done. Then the checker reads what
both sides have, and what the producers wrote down of what they were told: each job is on exactly one side.
The next leg goes back. Nothing of Windlass takes part in the judgement.
"""
