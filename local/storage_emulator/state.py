"""What the emulator keeps: objects as plain files, all that is known of them in SQLite, generations that only grow."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gcp_storage_emulator.exceptions import BadRequest
from gcp_storage_emulator.settings import STORAGE_DIR
from gcp_storage_emulator.storage import RESUMABLE_DIR, Storage, _FileStore

from local.storage_emulator.conditions import Conditions, Refused, Resource

_TABLE = """
CREATE TABLE IF NOT EXISTS kept (
  kind TEXT, bucket TEXT, name TEXT, generation TEXT, content TEXT, PRIMARY KEY (kind, bucket, name, generation)
) WITHOUT ROWID
"""


class State(Storage):
    """The buckets and objects of one folder.

    Whoever calls holds `lock`, and calls `commit` before letting go of it.

    Args:
        folder: absolute; objects are at <folder>/<STORAGE_DIR>/<bucket>/<name>.
    """

    def __init__(self, folder: Path) -> None:
        self.lock = threading.RLock()  # a batch holds it for its requests
        # What must be so for the request under way to write its object.
        self.guard = Conditions()
        self.finished: dict[str, Resource] = {}
        self._generation = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._known = sqlite3.connect(folder / "objects.db", check_same_thread=False)
        # The process may be killed at any moment; that the machine may lose its power is no concern.
        self._known.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_TABLE}")
        super().__init__(data_dir=str(folder))
        self._store = _Files(use_memory=False, root=folder / STORAGE_DIR)

    def commit(self) -> None:
        """Keep what has changed."""
        self._known.commit()

    def object(self, bucket: str, name: str) -> Resource | None:
        """Return what is known of an object; None where there is none."""
        found: Resource | None = self.objects.get(bucket, {}).get(name)
        return found

    # ---- what the emulator's handlers call

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: Resource, file_id: str | None = None
    ) -> None:
        """Put an object in its place, in a generation of its own, if the request's conditions hold.

        Raises:
            Refused: they do not; a resumable upload is over then, too.
            gcp_storage_emulator.exceptions.NotFound: there is no such bucket.
        """
        try:
            self.guard.check(self.object(bucket_name, file_name))
        except Refused:
            if file_id:
                self.delete_resumable_file_obj(file_id)
                self._delete_file(RESUMABLE_DIR, self.safe_id(file_id))
            raise
        self._stamp(file_obj)
        super().create_file(bucket_name, file_name, content, file_obj, file_id)
        self._keep("object", bucket_name, file_name, content=file_obj)
        if file_id:
            self.finished[file_id] = file_obj
            self._keep("finished", bucket_name, file_id, content=file_obj)

    def create_resumable_upload(self, bucket_name: str, file_name: str, file_obj: Resource) -> str:
        """Begin a resumable upload, if the request's conditions hold; returns its id.

        Raises:
            Refused: they do not.
            gcp_storage_emulator.exceptions.NotFound: there is no such bucket.
        """
        self.guard.check(self.object(bucket_name, file_name))
        upload: str = super().create_resumable_upload(bucket_name, file_name, file_obj)
        self._keep("upload", bucket_name, upload, content=file_obj)
        return upload

    def add_to_resumable_upload(
        self, file_id: str, content: bytes, total_size: int | None = None, expected_start: int | None = None
    ) -> bytes | None:
        """Append what of a chunk is new; returns the whole object once all of it is there.

        Raises:
            gcp_storage_emulator.exceptions.BadRequest: bytes before the chunk are missing.
        """
        path = self._upload(file_id)
        received = self.get_resumable_byte_count(file_id)
        start = received if expected_start is None else expected_start
        if start > received:
            raise BadRequest(f"Invalid Content-Range start: expected {received}, got {start}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write((content or b"")[received - start :])
            size = stream.tell()
        return None if total_size is None or size < total_size else path.read_bytes()[:total_size]

    def get_resumable_byte_count(self, file_id: str) -> int:
        """Return how many bytes of a resumable upload are there."""
        try:
            return self._upload(file_id).stat().st_size
        except FileNotFoundError:
            return 0

    def delete_resumable_file_obj(self, file_id: str) -> None:
        """Forget a resumable upload."""
        bucket = self.get_resumable_file_obj(file_id)["bucket"]
        super().delete_resumable_file_obj(file_id)
        self._forget("upload", bucket, file_id)

    def patch_object(self, bucket_name: str, file_name: str, file_obj: Resource) -> None:
        """Replace what is known of an object."""
        super().patch_object(bucket_name, file_name, file_obj)
        self._keep("object", bucket_name, file_name, content=file_obj)

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        """Delete an object; what its bucket's policy says stays restorable."""
        generation = (self.object(bucket_name, file_name) or {}).get("generation", "")
        super().delete_file(bucket_name, file_name)
        self._forget("object", bucket_name, file_name)
        restorable = self.soft_deleted.get(bucket_name, {}).get(file_name, {}).get(generation)
        if restorable:
            self._keep("deleted", bucket_name, file_name, generation, content=restorable)

    def create_bucket(self, bucket_name: str, bucket_obj: Resource) -> Resource:
        """Create or replace a bucket."""
        self._keep("bucket", bucket_name, content=bucket_obj)
        made: Resource = super().create_bucket(bucket_name, bucket_obj)
        return made

    def delete_bucket(self, bucket_name: str) -> None:
        """Delete an empty bucket."""
        super().delete_bucket(bucket_name)
        self._known.execute("DELETE FROM kept WHERE bucket = ?", [bucket_name])

    def set_bucket_iam_policy(self, bucket_name: str, policy: Resource) -> bool:
        """Replace a bucket's policy."""
        self._keep("policy", bucket_name, content=policy)
        done: bool = super().set_bucket_iam_policy(bucket_name, policy)
        return done

    def wipe(self, keep_buckets: bool = False) -> None:
        """Delete everything."""
        self._known.execute("DELETE FROM kept WHERE kind <> 'generation'")
        self.finished.clear()
        super().wipe(keep_buckets)

    def _remove_soft_deleted_generation(self, bucket_name: str, file_name: str, generation: str) -> None:
        super()._remove_soft_deleted_generation(bucket_name, file_name, generation)
        self._forget("deleted", bucket_name, file_name, generation)

    # ---- how it is kept

    def _stamp(self, resource: Resource) -> None:
        """Give an object that is about to be written the next generation, and what follows from it."""
        self._generation = max(self._generation + 1, time.time_ns())
        bucket, name, generation = resource["bucket"], resource["name"], str(self._generation)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        resource |= {
            "generation": generation,
            "metageneration": "1",
            "id": f"{bucket}/{name}/{generation}",
            **dict.fromkeys(("timeCreated", "updated", "timeStorageClassUpdated"), now),
        }
        # Deleted objects leave no trace, and clocks can be set back.
        self._keep("generation", content=self._generation)

    def _upload(self, file_id: str) -> Path:
        path: Path = self._store._disk_path(self._object_path(RESUMABLE_DIR, self.safe_id(file_id)))
        return path

    def _keep(self, kind: str, bucket: str = "", name: str = "", generation: str = "", *, content: Any) -> None:  # noqa: ANN401
        row = [kind, bucket, name, generation, json.dumps(content)]
        self._known.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)", row)

    def _forget(self, kind: str, bucket: str, name: str, generation: str = "") -> None:
        where = "kind = ? AND bucket = ? AND name = ? AND generation = ?"
        self._known.execute(f"DELETE FROM kept WHERE {where}", [kind, bucket, name, generation])  # noqa: S608

    def _write_config_to_file(self) -> None:
        """Do nothing: each change is kept where it is made."""

    def _read_config_from_file(self) -> None:
        # Reads the one file of the bare emulator, whose folders go on being of use; empty where there is none.
        super()._read_config_from_file()
        self._keep_all()
        for kind, bucket, name, generation, text in self._known.execute("SELECT * FROM kept").fetchall():
            content = json.loads(text)
            if kind == "bucket":
                self.buckets[bucket] = content
            elif kind == "object":
                self.objects.setdefault(bucket, {})[name] = content
            elif kind == "upload":
                self.resumable[name] = content
            elif kind == "finished":
                self.finished[name] = content
            elif kind == "policy":
                self.bucket_iam_policies[bucket] = content
            elif kind == "deleted":
                self.soft_deleted.setdefault(bucket, {}).setdefault(name, {})[generation] = content
            else:
                self._generation = content

    def _keep_all(self) -> None:
        for bucket, content in self.buckets.items():
            self._keep("bucket", bucket, content=content)
        for bucket, objects in self.objects.items():
            for name, content in objects.items():
                self._keep("object", bucket, name, content=content)
                self._generation = max(self._generation, int(content["generation"]))
        self.commit()
        if self.buckets:
            self._store.remove_file(".meta")


class _Files(_FileStore):
    """Files on disk that another process never sees half written."""

    def write_bytes(self, rel: str, content: bytes) -> None:
        """Write a file as a whole."""
        path = self._disk_path(rel)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._disk_path(f"_partial.{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)
