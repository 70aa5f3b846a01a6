"""How fast is the engine, against what a researcher writes and against what the machine can do?"""
