"""How is a number or a text told that may be far too long for a line?"""


def told(number: int) -> str:
    """Return a whole number for a message, whatever its length."""
    return f"{number:,}" if abs(number) < 10**40 else f"about 10^{int(number.bit_length() * 0.301)}"


def in_words(number: int) -> str:
    """Return a number of bytes for people."""
    if number >= 10**18:
        return "10^18 bytes"
    return f"{number / 1e9:,.1f} GB" if number >= 10**8 else f"{number / 1e6:,.1f} MB"


def shortened(text: str, longest: int = 1000) -> str:
    """Return a text whose middle is left out if it is long."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... ({len(text):,} characters) ... {text[-half // 2 :]}"
