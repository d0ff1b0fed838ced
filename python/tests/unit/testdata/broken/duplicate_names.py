from levada import Parser, Serializer, StreamSink, branch, streaming_source


def arm(name):
    return branch(name).apply(Serializer("serialize")).sink(StreamSink(f"out_{name}", name))


same = arm("c")
pipeline = (
    streaming_source("in", "in")
    .apply(Parser("in"))
    .broadcast("all", [arm("a"), arm("b"), same, same])
)
