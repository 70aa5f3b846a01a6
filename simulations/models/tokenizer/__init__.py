"""How does the tokenizer of a folder come together from its files, and when is it refused?

As transformers' AutoTokenizer would build it: what each kind of tokenizer does, what the files
beside it say, and where the two disagree, so that no other tokens are measured than the model's.
"""
