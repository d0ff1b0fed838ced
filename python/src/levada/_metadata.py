"""The [project] table of a pyproject.toml as the metadata of a distribution."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

__all__ = ["ProjectError", "entry_points", "folder_name", "license_files", "metadata"]


class ProjectError(Exception):
    """A pyproject.toml that can not be built; the text names the key."""


_KEYS = {
    "name", "version", "description", "readme", "requires-python", "license", "license-files",
    "authors", "maintainers", "keywords", "classifiers", "urls", "scripts", "gui-scripts",
    "entry-points", "dependencies", "optional-dependencies",
}  # fmt: skip

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(
    r"v?(?:\d+!)?\d+(?:\.\d+)*(?:[._-]?(?:a|b|rc|alpha|beta|c|pre|preview)[._-]?\d*)?"
    r"(?:[._-]?(?:post|rev|r)[._-]?\d*|-\d+)?(?:[._-]?dev[._-]?\d*)?(?:\+[a-z0-9]+(?:[._-][a-z0-9]+)*)?",
    re.IGNORECASE,
)
_REQUIREMENT_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def checked(project: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table, if it has what a distribution needs."""
    if "dynamic" in project:
        raise ProjectError("pyproject.toml: project.dynamic is not supported: write the values")
    for key in project:
        if key not in _KEYS:
            raise ProjectError(f"pyproject.toml: project.{key}: there is no such key")
    for key, pattern in (("name", _NAME), ("version", _VERSION)):
        value = project.get(key)
        if not isinstance(value, str):
            raise ProjectError(f"pyproject.toml: project.{key}: expected text, got {value!r}")
        if not pattern.fullmatch(value):
            raise ProjectError(f"pyproject.toml: project.{key}: expected a {key}, got {value!r}")
    return project


def folder_name(project: Mapping[str, Any]) -> str:
    """``name-version`` as the files of a distribution begin."""
    name = re.sub(r"[-_.]+", "_", project["name"]).lower()
    return f"{name}-{project['version'].lower().replace('-', '_')}"


def metadata(
    project: Mapping[str, Any],
    root: Path,
    extra: tuple[str, ...] = (),
    licences: tuple[str, ...] = (),
) -> str:
    """The METADATA file.

    Args:
        project: the [project] table.
        root: the folder that file names are relative to.
        extra: requirements to add where the project does not name them itself.
        licences: licence files that only the build makes.
    """
    lines = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {project['version']}"]

    def add(key: str, value: str) -> None:
        lines.append(f"{key}: " + value.replace("\n", "\n        "))

    if description := project.get("description"):
        add("Summary", " ".join(description.split()))
    for role in ("author", "maintainer"):
        people: list[dict[str, str]] = project.get(f"{role}s", [])
        names = [p["name"] for p in people if "email" not in p]
        mails = [
            f"{p['name']} <{p['email']}>" if "name" in p else p["email"]
            for p in people
            if "email" in p
        ]
        if names:
            add(role.capitalize(), ", ".join(names))
        if mails:
            add(f"{role.capitalize()}-email", ", ".join(mails))
    if keywords := project.get("keywords"):
        add("Keywords", ",".join(keywords))
    match project.get("license"):
        case str(expression):
            add("License-Expression", expression)
        case {"text": str(text)}:
            add("License", text)
        case {"file": str(file)}:
            add("License", _text_of(root, file, "project.license.file"))
        case None:
            pass
        case other:
            raise ProjectError(f"pyproject.toml: project.license: expected text, got {other!r}")
    for file in (*license_files(project, root), *licences):
        add("License-File", file)
    for classifier in project.get("classifiers", []):
        add("Classifier", classifier)
    for label, url in project.get("urls", {}).items():
        add("Project-URL", f"{label}, {url}")
    if python := project.get("requires-python"):
        add("Requires-Python", python)
    requirements = [*project.get("dependencies", [])]
    named = {_normal(m[1]) for r in requirements if (m := _REQUIREMENT_NAME.match(r))}
    requirements += [r for r in extra if r not in named]
    for requirement in requirements:
        add("Requires-Dist", requirement)
    for option, members in project.get("optional-dependencies", {}).items():
        add("Provides-Extra", option)
        for member in members:
            text, _, marker = member.partition(";")
            condition = f"({marker.strip()}) and " if marker.strip() else ""
            add("Requires-Dist", f'{text.strip()}; {condition}extra == "{option}"')
    body = ""
    if readme := project.get("readme"):
        if isinstance(readme, str):
            readme = {"file": readme}
        file = readme.get("file", "")
        kinds = {".md": "text/markdown", ".rst": "text/x-rst", ".txt": "text/plain"}
        kind = readme.get("content-type") or kinds.get(Path(file).suffix.lower(), "text/plain")
        add("Description-Content-Type", kind)
        body = "\n" + (readme.get("text") or _text_of(root, file, "project.readme"))
    return "\n".join(lines) + "\n" + body


def license_files(project: Mapping[str, Any], root: Path) -> list[str]:
    """The licence files, relative to the root."""
    patterns: list[str] = project.get("license-files", ["LICEN[CS]E*", "COPYING*", "NOTICE*"])
    found = {p.relative_to(root).as_posix() for g in patterns for p in root.glob(g) if p.is_file()}
    return sorted(found)


def entry_points(project: Mapping[str, Any]) -> str:
    """The entry_points.txt; empty where there are none."""
    groups: dict[str, dict[str, str]] = {
        "console_scripts": project.get("scripts", {}),
        "gui_scripts": project.get("gui-scripts", {}),
        **cast("dict[str, dict[str, str]]", project.get("entry-points", {})),
    }
    return "\n".join(
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in sorted(members.items()))
        for group, members in sorted(groups.items())
        if members
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text_of(root: Path, file: str, key: str) -> str:
    try:
        return (root / file).read_text("utf-8")
    except OSError as e:
        raise ProjectError(f"pyproject.toml: {key}: {file}: {e.strerror}") from e
