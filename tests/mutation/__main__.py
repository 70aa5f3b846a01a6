"""``python -m tests.mutation [kernel ...]``: the score of each kernel, and what nobody noticed.

What is in `tests.mutation.spared` counts as answered; an entry that fits no slip, or one that is
noticed after all, is an error.
"""

import argparse
import sys
import time

from hypothesis import settings

from tests.mutation.kernels import KERNELS
from tests.mutation.runner import missed
from tests.mutation.spared import SPARED

LEAST_SHARE = 0.9


def main(arguments: list[str]) -> int:
    """Run the kernels asked for, or all; 1 if one is below the least share or an entry rotted."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("kernel", nargs="*", choices=[[], *KERNELS], help="all if none is named")
    parser.add_argument("--every", type=int, default=1, help="try one slip of so many")
    asked = parser.parse_args(arguments)
    settings.load_profile("mutation")
    failed = False
    for name in asked.kernel or KERNELS:
        start, spared = time.monotonic(), SPARED.get(name, {})
        found = missed(KERNELS[name], every=asked.every)
        left = [slip for slip in found.missed if slip.what not in spared]
        whats = {slip.what for slip in found.missed}
        rotten = [] if asked.every > 1 else [what for what in spared if what not in whats]
        tried, kept = len(found.tried), len(found.missed) - len(left)
        share = (tried - len(left)) / max(tried, 1)
        failed |= share < LEAST_SHARE or bool(rotten)
        _say(
            f"{name}: {tried - len(found.missed)} of {tried} noticed, {kept} slack or the same, "
            f"{len(left)} left: {share:.0%} ({time.monotonic() - start:.0f} s)"
        )
        for slip in left:
            _say(f"    line {slip.line}: {slip.what}")
        for what in rotten:
            _say(f"    spared in vain: {what}")
    return int(failed)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
