"""What the dashboard's API takes and gives, as structs: the OpenAPI document and the front end's types come
from these. Times are aware UTC datetimes, which JSON spells in RFC 3339; spans end in ``_s``, sizes in
``_bytes``.
"""

from __future__ import annotations
