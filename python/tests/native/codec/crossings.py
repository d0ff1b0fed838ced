"""One line per value on standard input: a value in every way that it crosses by, and its type.
The answer says where Python sees something else, and what it writes of the value."""

from __future__ import annotations

import base64
import datetime
import importlib.machinery
import importlib.util
import json
import sys

from levada._crossing import conversion


def load(path):
    loader = importlib.machinery.ExtensionFileLoader("codec", path)
    spec = importlib.util.spec_from_file_location("codec", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


codec = load(sys.argv[1])
MILLISECOND = datetime.timedelta(milliseconds=1)


def plain(v, binary):
    """A value of no type as a format has it. JSON does not tell a whole float from an
    integer, and writes so many digits of it as a float needs."""
    match v:
        case dict():
            return {k: plain(x, binary) for k, x in v.items()}
        case list() | tuple():
            return [plain(x, binary) for x in v]
        case datetime.timedelta():
            return v / MILLISECOND
        case bytes() if not binary:
            return base64.b64encode(v).decode()
        case datetime.datetime() if not binary:
            text = v.replace(tzinfo=None).isoformat()
            return (text.rstrip("0") if "." in text else text) + "Z"
        case float() if not binary and v.is_integer():
            return Whole(v)
    return v


class Whole(float):
    def __eq__(self, other):
        return float(other) == float(self)

    __hash__ = None


def differs(t, types, a, b, binary, path="$"):
    """Where two values of a type differ; empty: nowhere."""
    if t["kind"] == "ref":
        nullable = t.get("nullable")
        t = types[t["name"]]
        if nullable:
            t = {**t, "nullable": True}
        return differs(t, types, a, b, binary, path)
    if t["kind"] == "any":
        return "" if plain(b, binary) == plain(a, binary) else f"{path}: {a!r}, {b!r}"
    if type(a) is not type(b):
        return f"{path}: {a!r}, {b!r}"
    if a is None:
        return ""
    match t["kind"]:
        case "struct":
            if a.keys() != b.keys():
                return f"{path}: {a!r}, {b!r}"
            fields = {f["name"]: f["type"] for f in t.get("fields", [])}
            pairs = [(f".{k}", fields.get(k, {"kind": "any"}), v, b[k]) for k, v in a.items()]
        case "map":
            if a.keys() != b.keys():
                return f"{path}: {a!r}, {b!r}"
            pairs = [(f".{k}", t["elem"], v, b[k]) for k, v in a.items()]
        case "list" | "tuple":
            if len(a) != len(b):
                return f"{path}: {a!r}, {b!r}"
            each = t.get("elems") or [t["elem"]] * len(a)
            pairs = [(f"[{i}]", e, a[i], b[i]) for i, e in enumerate(each)]
        case _:
            return "" if a == b and repr(a) == repr(b) else f"{path}: {a!r}, {b!r}"
    for segment, e, x, y in pairs:
        if found := differs(e, types, x, y, binary, path + segment):
            return found
    return ""


def attempt(function, *args):
    try:
        return function(*args), ""
    except Exception as e:
        return None, f"{type(e).__name__}: {e}"


def answer(case):
    t, types = case["type"], case.get("types", {})
    layout, frame, *texts = (
        base64.b64decode(case[k]) for k in ("layout", "frame", "json", "msgpack")
    )
    value, failed = attempt(codec.build, layout, frame)
    out = {"fault": "", "frame": "", "json": "", "msgpack": ""}
    if failed:
        # A year that Python does not have: it must not have it in any way.
        out["none"] = True
    else:
        out["frame"] = base64.b64encode(codec.encode(layout, value)).decode()
    for word, text in zip(("json", "msgpack"), texts, strict=True):
        c = conversion({"word": word, "type": t, "types": types}, None)
        got, wrong = attempt(c.read, text)
        if bool(failed) != bool(wrong):
            out["fault"] = f"{word}: {wrong or got!r}, by a frame: {failed or value!r}"
        elif not failed:
            if found := differs(t, types, got, value, word == "msgpack"):
                out["fault"] = f"{word}, and by a frame: {found}"
            written, wrong = attempt(c.write, value)
            if wrong:
                out["fault"] = f"{word}: writing {value!r}: {wrong}"
            else:
                out[word] = base64.b64encode(written).decode()
    return out


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
