import steps
from levada import Filter, Map, StreamSink, streaming_source

pipeline = (
    streaming_source("in", "in")
    .apply(Map("slip", "steps.transfrom"))
    .apply(Map("gone", "steps.gone"))
    .apply(Map("deep", "steps.Thing.gone"))
    .apply(Map("value", "steps.LIMIT"))
    .apply(Filter("module", "no_such_module_anywhere.f"))
    .apply(Filter("submodule", "steps.sub.f"))
    .apply(Filter("colon", "no_such_module_anywhere:f"))
    .apply(Filter("alone", "transform"))
    .apply(Filter("broken", "raises.configure"))
    .sink(StreamSink("out", "out"))
)
