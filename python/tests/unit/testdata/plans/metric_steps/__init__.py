"""What levada build writes, without the compiled module: a plan does not need it."""

from levada import GoFunction


class Transform(GoFunction):
    __levada_function__ = "go:example.com/metric_steps.Transform"


class Threshold(GoFunction):
    __levada_function__ = "go:example.com/metric_steps.Threshold"
    __levada_settings__ = {
        "limit": {"kind": "float64"},
        "names": {"kind": "list", "elem": {"kind": "string"}},
        "width": {"kind": "uint8"},
        "since": {"kind": "time", "nullable": True},
        "salt": {"kind": "bytes"},
    }


class Split(GoFunction):
    __levada_function__ = "go:example.com/metric_steps.Split"
