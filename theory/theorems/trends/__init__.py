"""What do published statements about rates, flows and random weights say, and do samples agree?

Flows of tokens on a line and on the sphere (geshkovski2023, geshkovski2025, karagodin2024);
attention and Transformers with random weights (naitsaada2025, noci2022, giorlandino2026,
xiong2020); what norms change in the long run (wu2024norm); how good the linear law near consensus
is (derived here). No inequality speaks of one instance: each is judged by independent samples.
"""
