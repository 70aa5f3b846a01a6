"""How is a model read that was exported to ONNX?

`read` is asked with a file; it finds in the graph which model it is, and `dinov2` or `t5` reads it.
"""
