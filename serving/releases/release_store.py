"""`release.json` on disk: read and replaced as a whole, never over somebody else's change."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from hilir.serving.disk import list_folders, write_atomically
from hilir.serving.errors import ReleaseRefused, ServingConfigError
from hilir.serving.releases.state import State

RELEASE_FILE = "release.json"
_LOCK_FILE = ".release.lock"
_LOCK_SECONDS = 30
# As the pipeline writes them: without leading zeros, so that a number names one folder.
_VERSION = re.compile(r"[1-9][0-9]*")


class Store:
    """The release states below a serving root on a file system.

    Args:
        root: `<root>/<model>/<version>/` are the versions.

    Raises:
        ServingConfigError: the root is an object store, or no directory.
    """

    def __init__(self, root: str | Path) -> None:
        if "://" in str(root):
            raise ServingConfigError(
                f"{root}: the release state needs a file system, which can rename; name the directory that is "
                "mounted from, or copied to, this store with --root"
            )
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise ServingConfigError(f"{self.root}: there is no such serving root; make a version with 'hilir run'")

    def models(self) -> list[str]:
        """Returns the names of the models that have versions."""
        return [name for name in list_folders(self.root).names if self.versions(name)]

    def released(self) -> list[str]:
        """Returns the names of the models that have a release state."""
        names = list_folders(self.root).names
        return [name for name in names if os.path.isfile(self.root / name / RELEASE_FILE)]

    def versions(self, model: str) -> list[int]:
        """Returns the versions of a model on disk, ascending; a folder that cannot be read has none."""
        try:
            names = list_folders(self.root / model).names
        except OSError:
            return []
        return sorted(int(name) for name in names if _VERSION.fullmatch(name))

    def read(self, model: str) -> State:
        """Returns a model's state; an empty one where nothing was released yet.

        Raises:
            ReleaseRefused: the file is not what a verb wrote.
        """
        path = self.root / model / RELEASE_FILE
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return State(model=model, served_root=self._served_root())
        except OSError as error:
            raise ReleaseRefused(f"{path}: cannot be read ({error.strerror}); restore it from a backup") from None
        except (ValueError, RecursionError) as error:
            raise ReleaseRefused(f"{path}: not JSON ({error}); restore it from a backup") from None
        try:
            state = State.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise ReleaseRefused(f"{path}: {where}: {first['msg']}; correct it, or restore a backup") from None
        if state.model != model:
            raise ReleaseRefused(f"{path}: it is the state of model {state.model}; restore a backup")
        return state

    def read_all(self) -> dict[str, State]:
        """Returns the states of the models that have been released."""
        return {name: self.read(name) for name in self.released()}

    def write(self, state: State) -> State:
        """Stores a state that was made from revision `state.revision`; returns it with the next revision.

        Raises:
            ReleaseRefused: somebody else changed the file since then.
        """
        with self.locked():
            found = self.read(state.model)
            if found.revision != state.revision:
                last = found.history[-1] if found.history else None
                doing = f" ('{last.verb}' at {last.at})" if last else ""
                raise ReleaseRefused(
                    f"{self.root / state.model / RELEASE_FILE}: changed from revision {state.revision} to "
                    f"{found.revision}{doing} while this command ran; look at 'hilir release show' and repeat it"
                )
            # States of earlier versions name the folder itself.
            served = "" if state.served_root == str(self.root) else state.served_root
            written = state.model_copy(update={"revision": state.revision + 1, "served_root": served})
            text = json.dumps(written.to_json(), indent=2, ensure_ascii=False) + "\n"
            write_atomically(self.root / state.model / RELEASE_FILE, text)
        return written

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the serving root for the moment of a write; the kernel releases it when the process ends.

        Raises:
            ServingConfigError: the root cannot be written to, or is held too long.
        """
        try:
            with FileLock(self.root / _LOCK_FILE, timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise ServingConfigError(
                f"{self.root / _LOCK_FILE}: held by another command for {_LOCK_SECONDS} s; wait for it or end it"
            ) from None
        except OSError as error:
            raise ServingConfigError(
                f"{error.filename or self.root}: cannot be written to ({error.strerror}); "
                "make it writable, or make room for it"
            ) from None

    def _served_root(self) -> str:
        """A model that is new to releases is served from where the others are."""
        return next((state.served_root for state in self.read_all().values()), "")
