"""Settings of a Go step have names and types."""

import metric_steps

metric_steps.Threshold(limit=3.5)
metric_steps.Threshold(limt=3.5)  # error
metric_steps.Threshold(limit="high")  # error
metric_steps.Threshold(3.5)  # error
metric_steps.Transform(limit=1)  # error
