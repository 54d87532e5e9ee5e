"""What has become of a point's uploads: `uploads.json`, written once the servers' copies were compared with it."""

from __future__ import annotations

from pydantic import Field

from testbed.record.model import Count, Record, Texts

FILE = "uploads.json"


class Uploads(Record):
    """The file that was sent, so many bytes, and where servers have stored it (paths in the lab)."""

    size_bytes: Count = Field(alias="bytes")
    stored: Texts
