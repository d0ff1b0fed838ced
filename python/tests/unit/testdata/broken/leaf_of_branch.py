from levada import Parser, Serializer, StreamSink, branch, streaming_source

pipeline = (
    streaming_source("in", "in")
    .apply(Parser[int]("parse"))
    .broadcast(
        "all",
        routes=[
            branch("a").apply(Serializer("s")).sink(StreamSink("out", "out")),
            branch("b").apply(Serializer("t")),
            branch("c"),
        ],
    )
)
