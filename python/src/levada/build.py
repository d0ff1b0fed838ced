"""The build backend: a folder with Go steps becomes a wheel.

A project says no more than::

    [build-system]
    requires = ["levada"]
    build-backend = "levada.build"

    [project]
    name = "metric-steps"
    version = "1.0.0"

``[tool.levada]`` may hold ``go-package`` (folder of the Go package, default: the
project's), ``package`` (name of the Python package, default: that of the Go package)
and ``python-source`` (a folder whose Python files go into the wheel as they are).

It is a PEP 517 and PEP 660 backend on the standard library alone. ``python -m
levada.build wheel`` does the same without pip.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import difflib
import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from levada import _metadata
from levada._go import LICENCES, Build, BuildError, GoError, platform_tag

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "main",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
    "refresh",
]

P = ParamSpec("P")
R = TypeVar("R")
Settings = Mapping[str, Any] | None

CONFIG = 78
"""Exit code of a package that can not be built, as of a pipeline that can not run."""

_ABI = "cp311-abi3"
_NATIVE = "_native.abi3.so"
_GENERATOR = "levada.build 0.1.0"


def _told(hook: Callable[P, R]) -> Callable[P, R]:
    """A mistake of the user ends the build with its text, not with a traceback."""

    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return hook(*args, **kwargs)
        except GoError as e:
            raise SystemExit(str(e)) from None
        except (BuildError, _metadata.ProjectError) as e:
            raise SystemExit(f"levada: {e}") from None

    told.__name__, told.__doc__ = hook.__name__, hook.__doc__
    return told


# --- the hooks --------------------------------------------------------------------


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Nothing: Go and a C compiler are no Python distributions."""
    return []


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Nothing, as for a wheel."""
    return []


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Nothing."""
    return []


@_told
def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Writes the metadata, which needs no build."""
    project = _Project.load()
    folder = Path(metadata_directory) / f"{project.stem}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in project.info(linked=not project.is_pure).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder.name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


@_told
def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Generates, compiles and packs."""
    project = _Project.load()
    with _locked(project.work):
        linked: dict[str, bytes] = {}
        if project.is_pure:
            files, tag = project.python_files(project.source / "levada"), "py3-none-any"
            print(
                "levada: no Go source beside it: a wheel without an engine, which runs pipelines "
                "only with the extension of a package of Go steps",
                file=sys.stderr,
            )
        else:
            project.own_folder()  # a wrong name is told at once, not after the build
            build = project.build()
            generated, library = build.run()
            files, linked = project.contents(generated, library), build.linked()
            tag = f"{_ABI}-{platform_tag(library)}"
        return _pack(Path(wheel_directory), project, files, tag, linked)


@_told
def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Packs the sources; whoever builds them needs Go."""
    project = _Project.load()
    project.info()
    project.check_portable()
    return _pack_source(Path(sdist_directory), project)


@_told
def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """A wheel that points to this folder, and builds again at import what has changed."""
    project = _Project.load()
    if project.is_levada and not project.has_go_source:
        raise BuildError("levada: expected its Go source beside it, for an editable install")
    name = _develop(project)
    finder = f"_levada_editable_{project.stem.partition('-')[0]}"
    path = project.source if project.is_levada else project.editable
    files: dict[str, bytes] = {
        # A plain path is what type checkers follow; the import serves the interpreter.
        f"{finder}.pth": f"{path}\nimport {finder}\n".encode(),
        f"{finder}.py": _FINDER.format(package=name, root=str(project.root)).encode(),
    }
    if project.is_levada:
        files = {f"{finder}.pth": f"{path}\n".encode()}
    tag = f"{_ABI}-{platform_tag(path / name / _NATIVE)}"
    return _pack(Path(wheel_directory), project, files, tag)


_FINDER = '''\
"""Written by levada.build: builds {package} again when its Go code is newer."""

import sys


class _Refresh:
    done = False

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == {package!r} and not cls.done:
            cls.done = True
            from levada.build import refresh

            refresh({root!r})
        return None


sys.meta_path.insert(0, _Refresh)
'''


# --- the project ------------------------------------------------------------------

_OPTIONS = ("go-package", "package", "python-source")


@dataclass(frozen=True)
class _Project:
    root: Path
    table: Mapping[str, Any]
    options: Mapping[str, str]

    @classmethod
    def load(cls, root: Path | None = None) -> _Project:
        root = (root or Path.cwd()).resolve()
        file = root / "pyproject.toml"
        try:
            with file.open("rb") as f:
                document = tomllib.load(f)
        except FileNotFoundError:
            raise BuildError(f"{root}: expected a pyproject.toml, found none") from None
        except tomllib.TOMLDecodeError as e:
            raise BuildError(f"pyproject.toml: {e}") from e
        if "project" not in document:
            raise BuildError("pyproject.toml: expected a [project] table, found none")
        options = document.get("tool", {}).get("levada", {})
        for key, value in options.items():
            if key not in _OPTIONS:
                near = difflib.get_close_matches(key, _OPTIONS, 1)
                hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(_OPTIONS)}"
                raise BuildError(
                    f"pyproject.toml: tool.levada.{key}: there is no such key\nhint: {hint}"
                )
            if not isinstance(value, str):
                raise BuildError(f"pyproject.toml: tool.levada.{key}: expected text, got {value!r}")
        return cls(root, _metadata.checked(document["project"]), options)

    @property
    def stem(self) -> str:
        return _metadata.folder_name(self.table)

    @property
    def is_levada(self) -> bool:
        """The distribution of the platform itself: its package is source, and its
        extension has no steps."""
        return bool(self.table["name"] == "levada")

    @property
    def source(self) -> Path:
        return self.root / "src"

    @property
    def has_go_source(self) -> bool:
        return (self.root.parent / "pyext").is_dir() and shutil.which("go") is not None

    @property
    def is_pure(self) -> bool:
        """The wheel has no extension: there is nothing to build one from."""
        return self.is_levada and not self.has_go_source

    @property
    def work(self) -> Path:
        return self.root / "build" / "levada"

    @property
    def editable(self) -> Path:
        return self.work / "editable"

    def build(self, *, debug: bool = False) -> Build:
        go = self.root.parent if self.is_levada else self.root / self.options.get("go-package", ".")
        return Build(
            package=go.resolve(), work=self.work, module=self.options.get("package", ""),
            default=self.is_levada, debug=debug,
        )  # fmt: skip

    def contents(self, generated: Path, library: Path) -> dict[str, bytes]:
        """The files of the wheel but its metadata."""
        package = generated.name
        files = self.python_files(self.source / "levada") if self.is_levada else {}
        files |= {f"{package}/{n}": c for n, c in _files(generated).items()}
        for name, content in self._own().items():
            if name in files:
                raise BuildError(
                    f"{self.options['python-source']}/{name}: expected another name, "
                    "the generator writes this file"
                )
            files[name] = content
        files[f"{package}/{_NATIVE}"] = library.read_bytes()
        return files

    def python_files(self, package: Path) -> dict[str, bytes]:
        return {f"{package.name}/{n}": c for n, c in _files(package).items()}

    def own_folder(self) -> Path | None:
        """The folder of the user's Python files."""
        if (source := self.options.get("python-source")) is None:
            return None
        folder = self.root / source
        if not folder.is_dir():
            raise BuildError(
                f"pyproject.toml: tool.levada.python-source: {source}: expected a folder"
            )
        return folder

    def _own(self) -> dict[str, bytes]:
        folder = self.own_folder()
        return {} if folder is None else _files(folder)

    def info(self, *, linked: bool = False) -> dict[str, bytes]:
        """The files of the .dist-info that need no build; linked: it will have the
        licences of an extension, too."""
        extra = () if self.is_levada else ("levada",)
        licences = (LICENCES,) if linked else ()
        files = {"METADATA": _metadata.metadata(self.table, self.root, extra, licences).encode()}
        for name in _metadata.license_files(self.table, self.root):
            files[f"licenses/{name}"] = (self.root / name).read_bytes()
        if text := _metadata.entry_points(self.table):
            files["entry_points.txt"] = text.encode()
        return files

    def check_portable(self) -> None:
        """Refuses to pack sources that nobody else could build."""
        if self.is_levada:
            return
        go_mod = self.build().module_root() / "go.mod"
        if not go_mod.is_relative_to(self.root):
            raise BuildError(
                f"a source distribution needs the Go module inside the project, got {go_mod}"
            )
        for line in go_mod.read_text().splitlines():
            target = line.partition("=>")[2].strip().partition(" ")[0]
            if target.startswith(("../", "/")):
                raise BuildError(
                    f"go.mod: a source distribution can not hold {target}, which a replace names\n"
                    "hint: pip wheel . builds the wheel from this folder"
                )


_IGNORED_FOLDERS = {"__pycache__", "build", "dist", "node_modules"}
_IGNORED_ENDINGS = (".pyc", ".so", ".o")


def _files(folder: Path) -> dict[str, bytes]:
    """All files below a folder by relative name, without what tools leave behind."""
    found: dict[str, bytes] = {}
    for path, folders, names in os.walk(folder):
        folders[:] = [
            d
            for d in folders
            if d not in _IGNORED_FOLDERS and not d.startswith(".") and not d.endswith(".egg-info")
        ]
        for name in names:
            file = Path(path, name)
            if not name.startswith(".") and not name.endswith(_IGNORED_ENDINGS):
                found[file.relative_to(folder).as_posix()] = file.read_bytes()
    return found


# --- archives ---------------------------------------------------------------------


def _epoch() -> int:
    """The time of all files: a zip knows none before 1980."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if text and not text.isdigit():
        raise BuildError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, got {text!r}")
    return max(int(text or 0), 315532800)


def _pack(
    folder: Path,
    project: _Project,
    files: dict[str, bytes],
    tag: str,
    linked: Mapping[str, bytes] | None = None,
) -> str:
    """Writes a wheel: the same files give the same bytes. linked is what an extension adds
    to the .dist-info."""
    info = f"{project.stem}.dist-info"
    pure = "true" if tag.endswith("-any") else "false"
    about = {**project.info(linked=bool(linked)), **(linked or {})}
    files = files | {f"{info}/{name}": content for name, content in about.items()}
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {_GENERATOR}\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
    ).encode()
    record = "".join(f"{n},sha256={_hash(files[n])},{len(files[n])}\n" for n in sorted(files))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    name = f"{project.stem}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    date = _zip_date(_epoch())
    # The metadata comes last, as the format recommends.
    ordered = sorted(files, key=lambda n: (n.startswith(info), n))
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for member in ordered:
            entry = zipfile.ZipInfo(member, date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (0o100755 if member.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, files[member])
    return name


def _zip_date(epoch: int) -> tuple[int, int, int, int, int, int]:
    from datetime import UTC, datetime

    t = datetime.fromtimestamp(epoch, UTC)
    return t.year, t.month, t.day, t.hour, t.minute, t.second


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _pack_source(folder: Path, project: _Project) -> str:
    files = _files(project.root)
    files["PKG-INFO"] = project.info()["METADATA"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(f"{project.stem}/{name}")
            member.size, member.mtime, member.mode = len(files[name]), _epoch(), 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{project.stem}.tar.gz"
    with (
        (folder / name).open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=_epoch()) as packed,
    ):
        packed.write(buffer.getvalue())
    return name


# --- editable installs ------------------------------------------------------------


def _develop(project: _Project) -> str:
    """Builds into the folder that an editable install points to; returns the package."""
    with _locked(project.work):
        return _develop_locked(project)


def _develop_locked(project: _Project) -> str:
    started = _now(project)
    build = project.build(debug=True)
    generated, library = build.run()
    package = generated.name
    home = (project.source if project.is_levada else project.editable) / package
    home.mkdir(parents=True, exist_ok=True)
    # The platform's own package is source; only the extension is missing in it.
    wanted = {} if project.is_levada else _files(generated)
    for name, content in wanted.items():
        path = home / name
        if not path.is_file() or path.read_bytes() != content:
            _replace(path, content)
    if (own := project.own_folder()) is not None:
        _link(project, own, home, wanted)
    # A new file, never new bytes in the old one: a running process has it mapped.
    _replace(home / _NATIVE, library.read_bytes())
    state = {"started": started, "folders": [str(f) for f in build.sources()]}
    _replace(project.work / "state.json", json.dumps(state).encode())
    return package


def _link(project: _Project, own: Path, home: Path, generated: Mapping[str, bytes]) -> None:
    """Puts the user's Python files beside the generated ones, as links: an edit counts
    at once."""
    for folder in sorted(p for p in own.iterdir() if not p.name.startswith((".", "__"))):
        if folder.name != home.name:
            _symlink(home.parent / folder.name, folder)
            continue
        for entry in sorted(folder.iterdir()):
            if entry.name in generated:
                raise BuildError(
                    f"{entry.relative_to(project.root)}: expected another name, "
                    "the generator writes this file"
                )
            if entry.name != "__pycache__":
                _symlink(home / entry.name, entry)


def _symlink(at: Path, target: Path) -> None:
    if at.is_symlink() or at.is_file():
        at.unlink()
    at.symlink_to(target)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    if path.suffix == ".so":
        new.chmod(0o755)
    os.replace(new, path)


def _now(project: _Project) -> float:
    """The time as the file system of the project counts it."""
    stamp = project.work / "stamp"
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_bytes(b"")
    return stamp.stat().st_mtime


def refresh(root: str) -> None:
    """Builds an editable package again if its Go code is newer than its extension.

    Raises:
        ImportError: it does not build; the text is Go's own.
    """
    try:
        project = _Project.load(Path(root))
        with _locked(project.work):
            if _is_stale(project):
                _develop_locked(project)
    except (BuildError, _metadata.ProjectError) as e:
        raise ImportError(str(e)) from None


def _is_stale(project: _Project) -> bool:
    try:
        state = json.loads((project.work / "state.json").read_bytes())
    except (OSError, ValueError):
        return True
    started: float = state["started"]
    files: list[Path] = [project.root / "pyproject.toml"]
    for folder in map(Path, state["folders"]):
        if not folder.is_dir():
            return True
        # A removed file changes its folder.
        files.append(folder)
        with os.scandir(folder) as entries:
            files += [
                Path(e)
                for e in entries
                if e.name.endswith((".go", ".c", ".h")) or e.name in ("go.mod", "go.sum")
            ]
    return any(f.stat().st_mtime >= started for f in files if f.exists())


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """One build of a project at a time, also between processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


# --- without pip ------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m levada.build wheel|sdist|develop [FOLDER] [-o DIST]``."""
    parser = argparse.ArgumentParser(prog="python -m levada.build", description=main.__doc__)
    parser.add_argument("what", choices=("wheel", "sdist", "develop"))
    parser.add_argument("folder", nargs="?", default=".", help="the folder of the pyproject.toml")
    parser.add_argument("-o", "--out", default="dist", help="where the result goes")
    args = parser.parse_args(argv)
    out = Path(args.out).absolute()
    os.chdir(args.folder)
    try:
        match args.what:
            case "wheel":
                print(out / build_wheel(str(out)))
            case "sdist":
                print(out / build_sdist(str(out)))
            case _:
                print(_told(lambda: _develop(_Project.load()))())
    except SystemExit as e:
        # Of what a hook has told; pip gives it a code of its own.
        print(e, file=sys.stderr)
        return CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
