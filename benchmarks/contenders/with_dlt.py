"""dlt: loads from REST APIs into databases, here into DuckDB, which is its own favourite.

Its snapshot is a whole run of a pipeline: extract, normalize, load. It pushes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.contenders.syncing import places
from benchmarks.model import Room
from benchmarks.sync_server import serving

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


@contextmanager
def snapshot(room: Room, rows: int) -> Iterator[Callable[[], Callable[[], None]]]:
    import dlt
    from dlt.sources.rest_api import rest_api_source

    with serving(rows) as url:
        new = places(room)

        def ready() -> Callable[[], None]:
            place = next(new)
            endpoint = {"path": "rows", "data_selector": "data", "paginator": "header_link"}
            resource = {"name": "rows", "endpoint": endpoint}
            source = rest_api_source({"client": {"base_url": url}, "resources": [resource]})
            pipeline = dlt.pipeline(
                f"bench_{place.name}",
                pipelines_dir=str(place / "pipelines"),
                destination=dlt.destinations.duckdb(str(place / "dlt.duckdb")),
                dataset_name="bench",
            )

            def load() -> None:
                pipeline.run(source)
                assert pipeline.last_trace.last_normalize_info.row_counts["rows"] == rows

            return load

        yield ready
