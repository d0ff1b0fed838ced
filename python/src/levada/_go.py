"""Building the extension of a Go package: generator, Go toolchain, C compiler."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from levada import _elf

__all__ = ["Build", "BuildError", "GoError", "check_python", "platform_tag"]


class BuildError(Exception):
    """Why nothing could be built; the text is complete."""


class GoError(BuildError):
    """What Go, the generator or the C compiler says, word for word."""


MODULE = "github.com/levada-io/levada"
MINIMUM = (1, 27)
TOOLCHAIN = "go1.27.3"
"""What a Go that may not fetch a newer one by itself is to be told."""

LICENCES = "linked-modules.txt"
"""The file with the licences of all Go modules in an extension."""

_MAIN = "levada_extension"
"""The folder in the user's package in which the generated main stands, for Go only."""

# On x86-64 the threads of glibc 2.34 moved into libc.so with a new version of each
# symbol; linked against that, an extension would not load on an older system. Their
# old versions still work everywhere. No #include here: it would come before the
# feature macros of every file.
_OLD_SYMBOLS = {
    "2.2.5": (
        "dlsym",
        "pthread_attr_getstack",
        "pthread_attr_getstacksize",
        "pthread_create",
        "pthread_detach",
        "pthread_getattr_np",
        "pthread_getspecific",
        "pthread_key_create",
        "pthread_kill",
        "pthread_mutex_trylock",
        "pthread_once",
        "pthread_setspecific",
        "pthread_sigmask",
    ),
    "2.12": ("pthread_setname_np",),
}
_SYMVER = "".join(
    f'__asm__(".symver {name},{name}@GLIBC_{version}");\n'
    for version, names in _OLD_SYMBOLS.items()
    for name in names
)
_HEADER = f"#if defined(__x86_64__) && !defined(__ASSEMBLER__)\n{_SYMVER}#endif\n"

_LIBRARIES = (
    "libc.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
)
_FLOOR = (2, 17)


def check_python() -> None:
    """Refuses a Python that can not load an extension of the stable ABI with a Go
    runtime in it."""
    host = str(sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    if sys.platform != "linux":
        raise BuildError(
            f"expected Linux, got {sys.platform}\n"
            "hint: build and run it in a container; other systems are not supported yet"
        )
    if "musl" in host:
        raise BuildError(
            f"this Python runs on musl ({host}), and a musl process can not load the Go runtime\n"
            "hint: use an image with glibc, or a binary without Python: levada build --native"
        )
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise BuildError(
            "this Python is a free-threaded build, and it can not load the stable ABI\n"
            "hint: use the ordinary build of the same version"
        )


def platform_tag(library: Path) -> str:
    """The platform of a wheel with this extension in it: the oldest glibc that loads
    it. What must not be linked is refused here, before a user meets it."""
    try:
        found = _elf.needs(library)
    except _elf.NotElfError as e:
        raise BuildError(str(e)) from e
    if others := sorted(set(found.libraries) - set(_LIBRARIES)):
        raise BuildError(
            f"{library.name}: expected to need glibc alone, it needs {', '.join(others)}\n"
            "hint: a package that the steps import links C code: find it with go list -deps"
        )
    major, minor = max(found.glibc, _FLOOR)
    return f"manylinux_{major}_{minor}_{found.machine}"


@dataclass(frozen=True)
class Build:
    """The build of one extension.

    Attributes:
        package: folder of the Go package.
        work: folder for what the build writes.
        module: the Python package; empty: called as the Go package.
        default: build the extension without steps of a user.
        debug: keep symbols, for a shorter build and readable traces.
    """

    package: Path
    work: Path
    module: str = ""
    default: bool = False
    debug: bool = False
    _env: dict[str, str] = field(default_factory=dict[str, str], init=False, repr=False)

    def run(self) -> tuple[Path, Path]:
        """Generates and compiles.

        Returns the folder of the generated Python package, and the extension.

        Raises:
            BuildError: something that the build needs is missing.
            GoError: the Go code is wrong.
        """
        check_python()
        self.work.mkdir(parents=True, exist_ok=True)
        _write(self.work / ".gitignore", "*\n")
        self._prepare()
        flags = [*self._module_flags(), "-trimpath", "-buildvcs=false", "-tags=netgo,osusergo"]
        shared = [*flags, "-buildmode=c-shared"]
        out = self.work / "gen"
        shutil.rmtree(out, ignore_errors=True)
        generator = self.work / "levada-gen"
        self._go(
            ["build", *flags, "-o", str(generator), f"{MODULE}/cmd/levada-gen"],
            {"CGO_ENABLED": "0"},
        )
        what = ["-default"] if self.default else ["-dir", "."]
        name = ["-module", self.module] if self.module else []
        self._call(
            [str(generator), *what, "-out", str(out), *name, "-build-flags", " ".join(shared)]
        )
        overlay = self.work / "overlay.json"
        main = self.package / _MAIN / "main.go"
        overlay.write_text(json.dumps({"Replace": {str(main): str(out / "main.go")}}))
        [python] = [p for p in out.iterdir() if p.is_dir()]
        library = self.library
        self._go(
            [
                "build", *shared,
                "-ldflags=-w" if self.debug else "-ldflags=-s -w",
                f"-overlay={overlay}", "-o", str(library), f"./{_MAIN}",
            ]
        )  # fmt: skip
        return python, library

    @property
    def library(self) -> Path:
        return self.work / "_native.abi3.so"

    def linked(self) -> dict[str, bytes]:
        """What the extension was linked from: its bill of materials and the licences of
        all modules in it, as files of a ``.dist-info``. After ``run``."""
        out = self.work / "linked"
        shutil.rmtree(out, ignore_errors=True)
        self._call(
            [
                str(self.work / "levada-gen"), "-linked", str(self.library), "-out", str(out),
                "-build-flags", " ".join(self._module_flags()),
            ]
        )  # fmt: skip
        return {
            "sboms/levada.cdx.json": (out / "sbom.cdx.json").read_bytes(),
            f"licenses/{LICENCES}": (out / LICENCES).read_bytes(),
        }

    def sources(self) -> list[Path]:
        """The folders of the Go code that is the user's own, and of modules that he
        replaced by folders: a change there is a reason to build again."""
        self._prepare()
        form = "{{with .Module}}{{if or .Main .Replace}}{{$.Dir}}{{end}}{{end}}"
        listed = self._go(
            ["list", *self._module_flags(), "-deps", "-f", form, ".", f"{MODULE}/pyext"],
            capture=True,
        )
        return sorted({Path(line) for line in listed.splitlines() if line})

    # --- the environment of a build -----------------------------------------------

    def _prepare(self) -> None:
        if self._env:
            return
        if not self.package.is_dir():
            raise BuildError(f"{self.package}: expected the folder of a Go package, found none")
        self._env.update(os.environ)
        self._env["CGO_ENABLED"] = "1"
        self._check_go()
        self._check_compiler()
        user = os.environ.get("CGO_CFLAGS", "-O2")
        self._env["CGO_CFLAGS"] = f"{user} -include '{_header(self.work)}'"
        # The old symbols are in libpthread there, which glibc 2.34 keeps as an empty one.
        self._env["CGO_LDFLAGS"] = os.environ.get("CGO_LDFLAGS", "-O2") + " -lpthread"

    def _check_go(self) -> None:
        if shutil.which("go") is None:
            raise BuildError(
                f"expected Go {_dotted(MINIMUM)} or newer, found no go on PATH\n"
                "hint: install Go; an older one fetches what it needs by itself"
            )
        # Not in the module: there an old Go refuses to say anything.
        said = subprocess.run(
            ["go", "env", "GOVERSION", "GOTOOLCHAIN"],
            cwd=tempfile.gettempdir(), env=self._env, capture_output=True, text=True,
        )  # fmt: skip
        if said.returncode != 0:
            raise GoError(said.stderr.strip())
        version, _, switch = said.stdout.strip().partition("\n")
        have = _release(version)
        want = max(MINIMUM, self._required())
        if have >= want:
            return
        fact = f"expected Go {_dotted(want)} or newer, got {version}"
        if have < (1, 21):
            raise BuildError(f"{fact}\nhint: install Go {_dotted(want)}")
        if switch == "local":
            advice = TOOLCHAIN if want == MINIMUM else f"go{_dotted(want)}.0"
            raise BuildError(
                f"{fact}, and GOTOOLCHAIN=local keeps it from fetching one\n"
                f"hint: export GOTOOLCHAIN={advice}"
            )

    def _required(self) -> tuple[int, int]:
        root = self.module_root()
        return _release((root / "go.mod").read_text())

    def _check_compiler(self) -> None:
        said = subprocess.run(
            ["go", "env", "CC"],
            cwd=tempfile.gettempdir(), env=self._env, capture_output=True, text=True,
        )  # fmt: skip
        command = said.stdout.strip() or "gcc"
        if shutil.which(command.split()[0]) is None:
            raise BuildError(
                f"expected a C compiler, found no {command.split()[0]} on PATH\n"
                "hint: install gcc or clang (apt-get install gcc libc6-dev), or set CC"
            )

    def module_root(self) -> Path:
        """The folder of the go.mod that the package belongs to."""
        for folder in (self.package, *self.package.parents):
            if (folder / "go.mod").is_file():
                return folder
        raise BuildError(
            f"{self.package}: expected a Go module, found no go.mod here or above\n"
            f"hint: go mod init example.com/steps && go get {MODULE}"
        )

    def _module_flags(self) -> list[str]:
        """Flags that let Go add what the generated main needs, and the user's go.mod
        does not name, to a copy of it."""
        root = self.module_root()
        if (root / "vendor" / "modules.txt").is_file():
            return []
        said = subprocess.run(
            ["go", "env", "GOWORK"],
            cwd=self.package, env=self._env, capture_output=True, text=True,
        )  # fmt: skip
        if said.returncode == 0 and said.stdout.strip() not in ("", "off"):
            return []
        copy = self.work / "go.mod"
        _write(copy, (root / "go.mod").read_text())
        # Sums that an earlier build has added stay: Go asked the network for them.
        sums = copy.with_suffix(".sum")
        lines = [
            line
            for file in (root / "go.sum", sums)
            if file.is_file()
            for line in file.read_text().splitlines()
        ]
        _write(sums, "".join(f"{line}\n" for line in dict.fromkeys(lines)))
        return [f"-modfile={copy}", "-mod=mod"]

    def _go(
        self, args: Sequence[str], env: Mapping[str, str] | None = None, *, capture: bool = False
    ) -> str:
        return self._call(["go", *args], env, capture=capture)

    def _call(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, *, capture: bool = False
    ) -> str:
        done = subprocess.run(
            command, cwd=self.package, env={**self._env, **(env or {})}, text=True,
            stdout=subprocess.PIPE if capture else None, stderr=subprocess.PIPE,
        )  # fmt: skip
        if done.returncode != 0:
            raise GoError(_readable(done.stderr))
        return done.stdout or ""


def _readable(text: str) -> str:
    """Go's text without the lines about downloads."""
    lines = [line for line in text.splitlines() if not line.startswith("go: downloading ")]
    return "\n".join(lines).strip()


def _header(work: Path) -> Path:
    """The header that every C file of the build includes first.

    It lies in one place for all projects, since its path is part of the key in Go's
    build cache; its name holds its hash, since its content is not.
    """
    name = f"glibc-{hashlib.sha256(_HEADER.encode()).hexdigest()[:16]}.h"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    for folder in (cache / "levada", work):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / name).is_file():
                _write(folder / name, _HEADER)
        except OSError:
            continue  # a read-only home
        return folder / name
    raise BuildError(f"{work}: expected a folder that can be written to")


def _write(path: Path, text: str) -> None:
    """Writes a file in one step, so that no other build reads half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as f:
        f.write(text)
    os.replace(f.name, path)


def _release(text: str) -> tuple[int, int]:
    """The release in what Go says of itself (go1.27.3) or in a go.mod (go 1.27)."""
    found = re.search(r"^go\s*(\d+)\.(\d+)", text, re.MULTILINE)
    if found is None:
        return 0, 0
    return int(found[1]), int(found[2])


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
