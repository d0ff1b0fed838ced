from levada import Batch, streaming_source

pipeline = streaming_source("in", "in").apply(Batch("batch", batch_size=0))
