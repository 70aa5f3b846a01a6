"""What does attention alone do to tokens: in one step, in many, under a mask, to a difference?

How fast it averages differences away (dobrushin1956, wang2022antioversmoothing), on a graph or
under a mask (wu2023demystifying, wu2024role), how low its entropy can be (zhai2023), how far it
can stretch what is small (castin2024, kim2021lipschitz), and which eigenvalues rule it once it is
linear (dovonon2024).
"""
