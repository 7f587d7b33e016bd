"""Files and folders as sources of elements: read when they have changed, and only then."""

from __future__ import annotations

from pathlib import Path

from fleetd.errors import ElementsError
from fleetd.orbit.elements import read_elements
from fleetd.orbit.elementset import ElementSet

_UNFINISHED = (".part", ".tmp", ".swp", "~")  # what editors and downloads leave while they write

Stamp = tuple[int, int, int]


class FileSource:
    """One configured path. `reason` says what is wrong with it now, '' when nothing is."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._seen: dict[Path, Stamp] = {}
        self._faults: dict[Path, str] = {}

    @property
    def reason(self) -> str:
        """The files that cannot be used, and why."""
        return "; ".join(self._faults.values())

    @property
    def whole(self) -> bool:
        """Whether a look that brings anything brings all that the source holds."""
        return not Path(self.name).is_dir()

    def look(self) -> list[ElementSet]:
        """All sets of the files that are new or changed since the last look. Reads files: call it in a thread."""
        path = Path(self.name)
        try:
            stamps = {file: _stamp(file) for file in element_files(path)}
        except OSError as error:
            self._seen, self._faults = {}, {path: f"{path}: cannot be read: {error.strerror or error}"}
            return []
        changed = [file for file, stamp in stamps.items() if self._seen.get(file) != stamp]
        self._faults = {file: fault for file, fault in self._faults.items() if file in stamps and file not in changed}
        self._seen = stamps
        return [elements for file in changed for elements in self._read(file)]

    def _read(self, file: Path) -> list[ElementSet]:
        try:
            return read_elements(file)
        except ElementsError as error:
            self._faults[file] = str(error)
            return []


def element_files(path: Path) -> list[Path]:
    """The file itself, or a folder's files in order of name, less hidden and unfinished ones. Raises OSError."""
    if not path.is_dir():
        return [path]
    return sorted(
        each
        for each in path.iterdir()
        if each.is_file() and not each.name.startswith(".") and not each.name.endswith(_UNFINISHED)
    )


def _stamp(file: Path) -> Stamp:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
