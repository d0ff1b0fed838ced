pipeline = "streaming_source"
