"""How does the tokenizer of a folder come together, and where is it refused?"""
