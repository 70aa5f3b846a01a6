"""How is a GGUF file read: one file of settings, words and packed weights?"""
