"""How is a GGUF file read: one file of settings, words and packed weights?

The container and the packings are read byte by byte, every number held against the file's length,
so that no damaged or hostile file is waited for; models of Llama's shape become checkpoints.
"""
