"""``windlass jobs tree``: a job, whom it waits for, and who waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from windlass.redact import printable
from windlass.terminal.words import STYLES, first_line

if TYPE_CHECKING:
    from windlass.job import Job
    from windlass.jobs import JobManager
    from windlass.store.flows import Relative

WIDTH, JOBS = 20, 500
"""At most so many children of a job are shown, and so many jobs in all."""


def tree_of(jobs: JobManager, job: Job) -> dict[str, Any]:
    """The job with its parents and, below it, its children and theirs; a job in two branches is told once."""
    told: set[int] = {job.id}

    def below(job_id: int) -> dict[str, Any]:
        if len(told) > JOBS:
            return {"children": [], "more": True}
        found = jobs.children(job_id, limit=WIDTH + 1)
        branches: list[dict[str, Any]] = []
        for child in found[:WIDTH]:
            branch: dict[str, Any] = {"job": child, "told_before": child.id in told}
            if child.id not in told:
                told.add(child.id)
                branch |= below(child.id)
            branches.append(branch)
        return {"children": branches, "more": len(found) > WIDTH}

    parents = jobs.parents(job.id, limit=WIDTH + 1)
    return {"job": job, "parents": parents[:WIDTH], "more_parents": len(parents) > WIDTH, **below(job.id)}


def tree_view(tree: dict[str, Any]) -> RenderableType:
    """The same for people."""
    root = Tree(Text(f"{tree['job'].id}  ", "bold").append_text(_said(tree["job"])))
    _grow(root, tree)
    parents = list(relatives_lines(tree["parents"], more=tree["more_parents"]))
    return Group(Text("after", "dim"), *parents, root) if parents else root


def relatives_lines(relatives: Iterable[Relative], *, more: bool = False) -> Iterable[Text]:
    """One line for each parent or child."""
    for relative in relatives:
        yield Text(f"  {relative.id}  ", "bold").append_text(_said(relative))
    if more:
        yield Text("  …", "dim")


def _grow(node: Tree, tree: dict[str, Any]) -> None:
    for branch in tree.get("children", ()):
        line = Text(f"{branch['job'].id}  ", "bold").append_text(_said(branch["job"]))
        if branch["told_before"]:
            line.append("  (above)", "dim")
        _grow(node.add(line), branch)
    if tree.get("more"):
        node.add(Text("…", "dim"))


def _said(job: Job | Relative) -> Text:
    if job.key is None or job.status is None:
        return Text("deleted", "dim")
    text = Text(f"{printable(job.key)}  ").append(job.status.value, STYLES[job.status])
    if job.hold is not None and not job.status.is_final:
        text.append(f"  {first_line(job.hold)}", "yellow")
    return text
