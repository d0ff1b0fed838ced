from levada import Map, Parser, streaming_source


def double(msg):
    return msg.payload * 2


pipeline = (
    streaming_source("in", "in").apply(Parser[int]("parse")).apply(Map("double", function=double))
)
